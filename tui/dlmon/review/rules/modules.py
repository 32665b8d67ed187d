"""Classes of the project that are torch modules: what torch expects of them."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, WARNING
from dlmon.review.kinds import Values
from dlmon.review.layers import has_parameters, is_layer, is_module
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.source import Class, Function, Source, dotted

# However its modules come to be registered, it is not by plain assignment.
_REGISTERS = ("add_module", "register_module", "register_parameter", "setattr", "__dict__", "_modules")


def module_classes(reading: Reading) -> Iterator[Class]:
    for cls in reading.project.classes:
        if is_module(reading, cls):
            yield cls


def within(source: Source, cls: Class, *names: str) -> bool:
    """Whether the text of a class calls or reads one of these names."""
    first, last = cls.node.lineno, cls.node.end_lineno or cls.node.lineno
    return any(
        first <= node.lineno <= last
        for name in names for index in (source.calls, source.reads, source.loads) for node in index.get(name, ())
    )  # fmt: skip


@rule("no_super_init", ERROR)
def no_super_init(reading: Reading) -> Iterator[Place]:
    """A module whose __init__ assigns layers before, or without, super().__init__()."""
    inits = _init_calls(reading)
    for cls in module_classes(reading):
        init = cls.methods.get("__init__")
        if init is None or cls.node.decorator_list or init.decorators or "__new__" in cls.methods:
            continue
        first = _first_layer(reading, cls)
        if first is None:
            continue
        calls = inits.get(cls, [])
        if not calls and not _other_super(cls):
            yield Place(
                first, cls.source,
                f"{cls.name}.__init__ assigns a layer, but never calls super().__init__(): torch "
                "raises here",
                "Make `super().__init__()` the first line of __init__.",
            )  # fmt: skip
        elif calls and all(c.lineno > (first.end_lineno or first.lineno) for c in calls) and _top(first, cls):
            yield Place(
                first, cls.source,
                f"{cls.name} assigns a layer before super().__init__() "
                f"({at(calls[0], cls.source, cls.source)}): "
                "torch raises here",
                "Make `super().__init__()` the first line of __init__.",
            )  # fmt: skip


def _init_calls(reading: Reading) -> dict[Class, list[ast.Call]]:
    """The calls of some `__init__` in the methods of each class."""
    found: dict[Class, list[ast.Call]] = {}
    for source, call in reading.project.calls("__init__"):
        scope: Function | None = source.scope(call)
        while scope is not None and scope.owner is None:
            scope = scope.outer
        if scope is not None and scope.owner is not None:
            found.setdefault(scope.owner, []).append(call)
    return found


def _first_layer(reading: Reading, cls: Class) -> ast.stmt | None:
    found = [
        statement
        for pairs in cls.attributes.values() for value, statement, method in pairs
        if method.name == "__init__" and method.owner is cls and value is not None
        and all(is_layer(reading, v) for v in reading.resolver.values(value, cls.source))
    ]  # fmt: skip
    return min(found, key=lambda statement: statement.lineno, default=None)


def _other_super(cls: Class) -> bool:
    """`super().__setattr__(…)`, `object.__setattr__` and the like: something unusual is going on."""
    return within(cls.source, cls, "super", "__setattr__", "__setstate__")


def _top(statement: ast.stmt, cls: Class) -> bool:
    init = cls.methods["__init__"]
    return any(statement is item for item in init.body)


def _inside(node: ast.AST, cls: ast.ClassDef) -> bool:
    return cls.lineno <= getattr(node, "lineno", 0) <= (cls.end_lineno or cls.lineno)


@rule("modules_in_list", WARNING)
def modules_in_list(reading: Reading) -> Iterator[Place]:
    """Layers in a plain list or dict: torch does not know their parameters."""
    for cls in module_classes(reading):
        if within(cls.source, cls, *_REGISTERS, "requires_grad_", "requires_grad", "no_grad", "inference_mode"):
            continue
        if "parameters" in cls.methods or "named_parameters" in cls.methods:
            continue
        for name, pairs in cls.attributes.items():
            if len(pairs) != 1 or _registered(name, cls, reading):
                continue
            value, statement, _ = pairs[0]
            if value is not None and _holds_layers(value, name, cls, reading):
                kind, right = (
                    ("dict", "ModuleDict") if isinstance(value, (ast.Dict, ast.DictComp)) else ("list", "ModuleList")
                )
                yield Place(
                    statement, cls.source,
                    f"self.{name} is a plain {kind} of layers: their parameters are not in parameters(), so they "
                    "neither "
                    "train nor move to the GPU",
                    f"Wrap it: `self.{name} = nn.{right}(…)`.",
                )  # fmt: skip


def _holds_layers(value: ast.expr, name: str, cls: Class, reading: Reading) -> bool:
    items: list[ast.expr] = []
    if isinstance(value, (ast.List, ast.Tuple)):
        items = list(value.elts) or _appended(name, cls)
    elif isinstance(value, (ast.ListComp, ast.DictComp)):
        items = [value.elt if isinstance(value, ast.ListComp) else value.value]
    elif isinstance(value, ast.Dict):
        items = list(value.values)
    # Only what is made on the spot: a layer with a name of its own may be registered by that name.
    return bool(items) and all(
        isinstance(item, ast.Call) and all(has_parameters(reading, v) for v in _values(item, cls, reading))
        for item in items
    )


def _values(item: ast.expr, cls: Class, reading: Reading) -> Values:
    return reading.resolver.values(item, cls.source)


def _appended(name: str, cls: Class) -> list[ast.expr]:
    return [
        call.args[0] for call in cls.source.calls.get("append", ())
        if isinstance(call.func, ast.Attribute) and dotted(call.func.value) == f"self.{name}" and len(call.args) == 1
        and _inside(call, cls.node)
    ]  # fmt: skip


def _registered(name: str, cls: Class, reading: Reading) -> bool:
    """Whether the list is also given to a ModuleList or Sequential, or its parameters are collected by hand."""
    for source in reading.project.sources:
        for node in source.reads.get(name, ()):
            around = source.parents.get(node)
            if isinstance(around, ast.Starred):
                around = source.parents.get(around)
            if isinstance(around, ast.Call) and around.func is not node:
                called = dotted(around.func).rpartition(".")[2]
                if called in ("ModuleList", "ModuleDict", "Sequential", "list", "chain", "extend", "setattr"):
                    return True
            if source is not cls.source or not _inside(node, cls.node):
                return True
    return any(
        _inside(call, cls.node) and dotted(call.func) != "self.parameters"
        for call in cls.source.calls.get("parameters", ())
    )


@rule("forward_misspelt", ERROR)
def forward_misspelt(reading: Reading) -> Iterator[Place]:
    """A module without `forward` that has a method called almost like it."""
    for cls in module_classes(reading):
        family = reading.resolver.family(cls)
        names = {name for one in family for name in one.methods}
        if names & {"forward", "__call__", "training_step", "__getattr__"} or "forward" in cls.attributes:
            continue
        if any(base.rpartition(".")[2] != "Module" for base in reading.resolver.outside_bases(cls)):
            continue
        if any(_assigned_in_body(one, "forward") for one in family) or _is_base(cls, reading):
            continue
        for near in difflib.get_close_matches("forward", list(cls.methods), 1, 0.8):
            yield Place(
                cls.methods[near].node, cls.source, f"{cls.name} has no forward(), but a method called {near}()",
                "Call it `forward`.",
            )  # fmt: skip


def _assigned_in_body(cls: Class, name: str) -> bool:
    return any(
        isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
        for node in cls.node.body
    )


def _is_base(cls: Class, reading: Reading) -> bool:
    return any(other is not cls and cls in reading.resolver.family(other) for other in reading.project.classes)
