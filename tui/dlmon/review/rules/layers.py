"""Layers that are made and never used, and layers that do not fit together."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, HINT, WARNING
from dlmon.review.kinds import Made
from dlmon.review.layers import has_parameters, is_layer
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.rules.modules import module_classes, within
from dlmon.review.source import Class, Source
from dlmon.review.widths import MULTIPLE, Misfit, Widths, misfits

# With one of these in a class, what is used cannot be told from names.
_DYNAMIC = (
    "getattr", "__getattr__", "__getattribute__", "children", "named_children", "modules", "named_modules", "_modules",
    "__dict__", "vars", "eval", "exec", "get_submodule", "locals",
)  # fmt: skip


_PARAMETER = "torch.nn.Parameter"


@rule("layer_unused", WARNING)
def layer_unused(reading: Reading) -> Iterator[Place]:
    """A layer that is made in __init__ and that nothing ever reads."""
    owners: dict[str, set[Class | None]] = {}
    relatives = _relatives(reading)
    for cls in module_classes(reading):
        family = reading.resolver.family(cls)
        if not any("forward" in one.methods for one in family) or any(within(o.source, o, *_DYNAMIC) for o in family):
            continue
        if any(_hands_itself_over(one, reading) for one in family):
            continue
        for name, pairs in cls.attributes.items():
            if name not in owners:
                owners[name] = _owners(name, reading)
            readers = owners[name]
            if None in readers or readers & relatives[cls]:
                continue
            if any(_named(source, name) for source in reading.project.sources):
                continue
            found = [
                (statement, value) for expression, statement, _ in pairs if expression is not None
                for value in reading.resolver.values(expression, cls.source)
            ]  # fmt: skip
            if found and all(is_layer(reading, value) for _, value in found):
                # A lone Parameter may be kept for old checkpoints, as in published language models.
                heavy = any(has_parameters(reading, v) and getattr(v, "name", "") != _PARAMETER for _, v in found)
                what = "its parameters never get a gradient" if heavy else "it has no effect"
                yield Place(
                    found[0][0], cls.source,
                    f"self.{name} is made, but neither forward nor anything else uses "
                    f"it: {what}",
                    f"Use self.{name} in forward, or remove it.", WARNING if heavy else HINT, {"class": cls.name},
                )  # fmt: skip


def _owners(name: str, reading: Reading) -> set[Class | None]:
    """The classes whose methods read `self.name`; None among them where something else is asked for the attribute."""
    found: set[Class | None] = set()
    for source in reading.project.sources:
        for node in source.reads.get(name, ()):
            method = source.scope(node)
            while method.owner is None and method.outer is not None:
                method = method.outer
            me = method.parameters[0].arg if method.owner is not None and method.parameters else None
            found.add(method.owner if isinstance(node.value, ast.Name) and node.value.id == me else None)
    return found


def _relatives(reading: Reading) -> dict[Class, set[Class]]:
    """Each class with its bases and the classes that descend from it."""
    found: dict[Class, set[Class]] = {cls: set() for cls in reading.project.classes}
    for cls in reading.project.classes:
        for base in reading.resolver.family(cls):
            found[cls].add(base)
            found[base].add(cls)
    return found


def _named(source: Source, name: str) -> bool:
    """Whether the name stands in a string, as for getattr or a hook by name."""
    return f'"{name}"' in source.text or f"'{name}'" in source.text


def _hands_itself_over(cls: Class, reading: Reading) -> bool:
    """Whether a method gives `self` to something else than super()."""
    places = reading.once("self handed over", lambda: _self_handed_over(reading))
    last = cls.node.end_lineno or cls.node.lineno
    return any(source is cls.source and cls.node.lineno <= line <= last for source, line in places)


def _self_handed_over(reading: Reading) -> Iterator[tuple[Source, int]]:
    for source in reading.project.sources:
        for node in source.loads.get("self", ()):
            parent = source.parents.get(node)
            if isinstance(parent, ast.Attribute):
                continue
            called = parent.func if isinstance(parent, ast.Call) else None
            is_super = isinstance(called, ast.Name) and called.id == "super"
            if not is_super and not (isinstance(called, ast.Attribute) and called.attr == "__init__"):
                yield source, node.lineno


@rule("layer_sizes", ERROR)
def layer_sizes(reading: Reading) -> Iterator[Place]:
    """A layer whose input size is not what the layer before gives out."""
    seen: set[ast.Call] = set()
    for cls in module_classes(reading):
        for misfit in misfits(reading, cls):
            seen.add(misfit.layer)
            yield _place(misfit)
    for source in reading.project.sources:
        for call in source.calls.get("Sequential", ()):
            owner = next(
                (cls for cls in source.classes if cls.node.lineno <= call.lineno <= (cls.node.end_lineno or 0)), None
            )
            values = reading.resolver.values(call, source)
            if not isinstance(values[0], Made) or values[0].name != "torch.nn.Sequential":
                continue
            widths = Widths(reading, owner) if owner is not None else Widths(reading, _nobody(source))
            widths.through(values[0], None, call)
            for misfit in widths.misfits:
                if misfit.layer not in seen:
                    seen.add(misfit.layer)
                    yield _place(misfit)


def _nobody(source: Source) -> Class:
    """A class without attributes, for a Sequential outside of any."""
    return Class(ast.ClassDef("", [], [], [], []), source, source.top)


def _place(misfit: Misfit) -> Place:
    gets = misfit.gets
    many = "a multiple of " if gets.kind == MULTIPLE else ""
    return Place(
        misfit.layer, misfit.source,
        f"this layer wants {misfit.wants} inputs and gets {many}{gets.size} from "
        f"{at(gets.made, misfit.source, misfit.source)}",
        "Make the input size match what the layer before gives out"
        + (f" ({gets.size} channels × height × width)." if many else f": {gets.size}."),
        evidence={"wants": misfit.wants, "gets": f"{many}{gets.size}"},
    )  # fmt: skip
