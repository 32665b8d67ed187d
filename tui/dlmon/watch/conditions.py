"""Judges conditions at every moment of a run; acts when one turns true, not as long as it stays so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dlmon import text
from dlmon.record.reader import Tagged
from dlmon.watch.facts import Facts
from dlmon.watch.parse import Condition
from dlmon_probes.events_watch import Break


@dataclass(frozen=True)
class Met:
    """A condition that turned true. values: of its facts at that moment, as words."""

    action: str
    condition: Condition
    step: int
    values: str


class Conditions:
    """Give it the events as they come. A condition that stays true is met once, until it was not true again."""

    def __init__(self, conditions: Iterable[tuple[str, Condition]]) -> None:
        self._conditions = tuple(conditions)
        self._true = [False] * len(self._conditions)
        self._told = [False] * len(self._conditions)
        self._facts = Facts()
        self._left: set[int] = set()  # judged by the training

    def leave_to_training(self, places: Iterable[int]) -> None:
        """The training judges these by itself, at the very step; it tells by `broke`."""
        self._left.update(places)

    def broke(self, event: Break) -> Met | None:
        """What the training met by itself; None where a person asked for the pause."""
        if event.condition is None or not 0 <= event.condition < len(self._conditions):
            return None
        action, condition = self._conditions[event.condition]
        self._told[event.condition] = True
        known = {name: value for name, value in event.values.items() if value is not None}
        return Met(action, condition, event.step + 1, _shown(known))

    def see(self, events: Iterable[Tagged]) -> list[Met]:
        """What was met in these events, in the order of the steps."""
        met: list[Met] = []
        for tagged in events:
            for moment in self._facts.moments(tagged):
                met.extend(self._judge(moment.step))
        return met

    def _judge(self, step: int) -> list[Met]:
        met = []
        for i, (action, condition) in enumerate(self._conditions):
            verdict = condition.judge(self._facts)
            self._told[i] |= verdict is not None
            if verdict and not self._true[i] and i not in self._left:
                met.append(Met(action, condition, step, self._values(condition)))
            self._true[i] = bool(verdict)
        return met

    def _values(self, condition: Condition) -> str:
        return _shown({name: self._facts.history(name).last for name in condition.facts})

    def never_judged(self) -> list[str]:
        """A line for each condition that could not be judged once, with the facts that were never reported."""
        lines = []
        for told, (_, condition) in zip(self._told, self._conditions, strict=True):
            missing = [name for name in condition.facts if not self._facts.history(name).count]
            if not told and missing:
                lines.append(
                    f"`{text.clean(condition.text)}` could not be judged: no {', '.join(missing)} was reported"
                )
        return lines


def _shown(values: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{text.clean(name)} {text.count(value) if name == 'step' else text.number(value)}"
        for name, value in values.items()
    )
