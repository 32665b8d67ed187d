"""A rule: its id, how bad what it finds is, and a function from the project's model to places in the text."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dlmon.review.events import Traces
from dlmon.review.outputs import Outputs
from dlmon.review.project import Project
from dlmon.review.roles import Roles
from dlmon.review.source import Source
from dlmon.review.values import Resolver

PREFIX = "review."
Item = TypeVar("Item")

# One family per file.
FAMILIES = (
    "modules", "layers", "loop_parts", "loop_order", "losses", "targets", "detached", "modes", "evaluation",
    "accumulation", "optimizers", "schedulers", "data", "machine", "tensors",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Something found. title: one sentence. fix: what to write instead. severity: overrides the rule's own."""

    node: ast.AST
    source: Source
    title: str
    fix: str
    severity: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def at(node: ast.AST, source: Source, seen_from: Source | None = None) -> str:
    """`train.py:41`, or `line 41` where that is the file one is in."""
    number = getattr(node, "lineno", 1)
    return f"line {number}" if source is seen_from else f"{source.name}:{number}"


class Reading:
    """The project's model as the rules see it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.resolver = Resolver(project)
        self.outputs = Outputs(self.resolver)
        self.roles = Roles(self.resolver)
        self.traces = Traces(self.resolver, self.roles)
        self._kept: dict[str, Any] = {}

    def once(self, name: str, find: Callable[[], Iterable[Item]]) -> Sequence[Item]:
        """What several rules look at, found once."""
        if name not in self._kept:
            self._kept[name] = tuple(find())
        found: Sequence[Item] = self._kept[name]
        return found


Rule = Callable[[Reading], Iterable[Place]]


@dataclass(frozen=True)
class Registered:
    id: str
    severity: str
    run: Rule

    @property
    def about(self) -> str:
        """What it looks for, in one line."""
        return " ".join((self.run.__doc__ or "").split())


_RULES: dict[str, Registered] = {}


def rule(name: str, severity: str) -> Callable[[Rule], Rule]:
    """Register a function from a reading to places, as `review.<name>`."""

    def register(run: Rule) -> Rule:
        if PREFIX + name in _RULES:
            raise ValueError(f"two rules are called {name}")
        _RULES[PREFIX + name] = Registered(PREFIX + name, severity, run)
        return run

    return register


def all_rules() -> tuple[Registered, ...]:
    for family in FAMILIES:
        importlib.import_module(f"dlmon.review.rules.{family}")
    return tuple(_RULES.values())
