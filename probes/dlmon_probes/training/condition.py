"""Judges a condition that dlmon has parsed: nested lists, as `watch.simple` writes them into the run's watch.json.

number → itself · "loss" → the fact's last value · ["neg", x] · ["+", x, y] (- * /) · ["compare", [x, y, …], ["<", …]]
· ["nonfinite", fact] · ["not", c] · ["and", c, d, …] · ["or", c, d, …]. Unknown facts make it None, as beside the run.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any, Callable, Optional, Union

Value = Union[float, bool, None]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_RECKON: Mapping[str, Callable[[Any, Any], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip


def judge(tree: Any, facts: Mapping[str, Optional[float]]) -> Value:
    """The value of a tree; None where a fact is missing that decides. Raises LookupError for what is no such tree."""
    if isinstance(tree, (int, float)):
        return tree
    if isinstance(tree, str):
        return facts[tree]
    return _judge(tree[0], tree[1:], facts)


def _judge(word: str, parts: list[Any], facts: Mapping[str, Optional[float]]) -> Value:
    if word == "compare":
        return _compared([judge(part, facts) for part in parts[0]], parts[1])
    values = [judge(part, facts) for part in parts]
    if word == "and":
        return _all(values)
    if word == "or":
        opposite = _all([None if value is None else not value for value in values])
        return None if opposite is None else not opposite
    if any(value is None for value in values):
        return None
    first: Any = values[0]
    if word == "not":
        return not first
    if word == "neg":
        return -float(first)
    if word == "nonfinite":
        return not math.isfinite(first)
    try:
        return _RECKON[word](first, values[1])
    except ArithmeticError:
        return None


def _compared(values: list[Value], signs: list[str]) -> Value:
    pairs = zip(signs, values, values[1:])
    return _all([None if a is None or b is None else _COMPARE[sign](a, b) for sign, a, b in pairs])


def _all(values: list[Any]) -> Value:
    """False if any is, else unknown if any is, else true."""
    if any(value is not None and not value for value in values):
        return False
    return None if any(value is None for value in values) else True


def names_in(tree: Any) -> set[str]:
    """The facts that a tree speaks of."""
    if isinstance(tree, str):
        return {tree}
    if not isinstance(tree, list):
        return set()
    parts = tree[1] if tree[0] == "compare" else tree[1:]
    return {name for part in parts for name in names_in(part)}
