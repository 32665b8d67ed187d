"""How a call and the function that it runs fit together: arguments to parameters, results to return statements."""

from __future__ import annotations

import ast

from dlmon.review.source import FUNCTIONS, Function, dotted, open_ended


def harmless(function: Function) -> bool:
    """Whether its decorators leave call and result as they are: `@torch.no_grad()`."""
    for decorator in function.decorators:
        name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(".")[2]
        if name not in {"no_grad", "inference_mode", "enable_grad", "autocast", "classmethod", "override", "compile"}:
            return False
    return True


def may_bind(function: Function, call: ast.Call) -> bool:
    """Whether a call on something unknown has the number of arguments that the method takes."""
    if open_ended(call) or isinstance(function.node, ast.Module) or function.node.args.vararg is not None:
        return True
    most = len(function.parameters) - 1
    least = most - len(function.node.args.defaults) - sum(d is not None for d in function.node.args.kw_defaults)
    return least <= len(call.args) + len(call.keywords) <= most


def returns(function: Function) -> list[ast.expr | None]:
    """The expressions of its return statements, not those of functions inside it. None: `return` alone or a yield."""
    found: list[ast.expr | None] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            found.append(node.value)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            return [None]
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def passed(function: Function, name: str, call: ast.Call, bound: bool) -> ast.expr | None:
    """The argument that a call gives to a parameter, if it is written there."""
    for item in call.keywords:
        if item.arg == name:
            return item.value
    names = [parameter.arg for parameter in function.parameters]
    if name not in names:
        return None
    position = names.index(name) - bool(bound)
    if any(isinstance(item, ast.Starred) for item in call.args[: position + 1]):
        return None
    return call.args[position] if 0 <= position < len(call.args) else None


def default(function: Function, name: str) -> ast.expr | None:
    if isinstance(function.node, ast.Module):
        return None
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    for parameter, default in zip(
        positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True
    ):
        if parameter.arg == name:
            return default
    for parameter, other in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if parameter.arg == name:
            return other
    return None
