"""Whole numbers that the text fixes: `16 * 5 * 5`, a constant, a parameter that is always given the same."""

from __future__ import annotations

import ast

from dlmon.review.kinds import Written
from dlmon.review.source import Source
from dlmon.review.values import Resolver

MOST_DEPTH = 8
LARGEST = 10**9


def whole(node: ast.expr | None, source: Source, resolver: Resolver, depth: int = 0) -> int | None:
    """The number that an expression surely is; None where the text does not tell."""
    if node is None or depth > MOST_DEPTH:
        return None
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.BinOp):
        left = whole(node.left, source, resolver, depth + 1)
        right = whole(node.right, source, resolver, depth + 1)
        return None if left is None or right is None else _combined(node.op, left, right)
    if isinstance(node, (ast.Name, ast.Attribute)):
        found = resolver.values(node, source)
        numbers = {whole(v.node, v.source, resolver, depth + 1) if isinstance(v, Written) else None for v in found}
        return numbers.pop() if len(numbers) == 1 else None
    return None


def _combined(operator: ast.operator, left: int, right: int) -> int | None:
    if isinstance(operator, ast.Add):
        result = left + right
    elif isinstance(operator, ast.Sub):
        result = left - right
    elif isinstance(operator, ast.Mult):
        result = left * right
    elif isinstance(operator, ast.FloorDiv) and right:
        result = left // right
    else:
        return None
    return result if abs(result) < LARGEST else None
