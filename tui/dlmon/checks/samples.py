"""Sampled gradients turned round: from rows per step to a history per parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dlmon.checks.facts import Lacking, Remembered, parameters_of
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events

LOOKED_AT = 24  # the last samples of each optimizer: what a training does now, at little cost for large models


@dataclass
class History:
    """One parameter over the looked-at samples of its optimizer, oldest first; lists of equal length."""

    parameter: events.Parameter
    optimizer: int
    steps: list[int] = field(default_factory=list)
    norm: list[float | None] = field(default_factory=list)
    nonfinite: list[int] = field(default_factory=list)
    weight: list[float | None] = field(default_factory=list)
    update: list[float | None] = field(default_factory=list)

    @property
    def matrix(self) -> bool:
        """A weight proper: biases and norm scales start at constants and live by other numbers."""
        return len(self.parameter.shape) >= 2

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def module(self) -> str:
        return self.parameter.name.rpartition(".")[0] or self.parameter.name


def histories(facts: RankFacts) -> dict[int, History]:
    """By parameter index. Raises Lacking where nothing was sampled yet."""
    if not facts.gradients:
        raise Lacking("no gradients were sampled yet")
    return _remembered(facts)


def _histories(facts: RankFacts) -> dict[int, History]:
    named = parameters_of(facts)
    found: dict[int, History] = {}
    for sample in recent(facts.gradients):
        columns = zip(sample.p, sample.norm, sample.nonfinite, sample.weight, sample.update, strict=False)
        for p, norm, nonfinite, weight, update in columns:
            parameter = named.get(p)
            if parameter is None or not parameter.requires_grad:
                continue
            history = found.setdefault(p, History(parameter, sample.optimizer))
            history.steps.append(sample.step)
            history.norm.append(norm)
            history.nonfinite.append(nonfinite)
            history.weight.append(weight)
            history.update.append(update)
    return found


_remembered = Remembered(_histories, lambda facts: (facts.gradients, facts.models))


def recent(gradients: Sequence[events.Gradients]) -> list[events.Gradients]:
    """The last samples of each optimizer, in order."""
    left: dict[int, int] = {}
    kept: list[events.Gradients] = []
    for sample in reversed(gradients):
        seen = left.get(sample.optimizer, 0)
        if seen < LOOKED_AT:
            left[sample.optimizer] = seen + 1
            kept.append(sample)
    return kept[::-1]


def by_optimizer(found: dict[int, History]) -> dict[int, list[History]]:
    grouped: dict[int, list[History]] = {}
    for history in found.values():
        grouped.setdefault(history.optimizer, []).append(history)
    return grouped


def modules_of(rows: Sequence[History]) -> list[str]:
    """The modules that parameters belong to, each once, in order."""
    return list(dict.fromkeys(row.module for row in rows))
