"""`--fail-if 'val_loss > baseline*1.02'`: conditions on the end of each run, in the language of watch conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dlmon import text
from dlmon.compare.side import Side
from dlmon.errors import UserError
from dlmon.watch.facts import NAMES, Facts, History
from dlmon.watch.parse import Condition, parse
from dlmon.watch.trouble import ConditionError

OPTION = "--fail-if"


@dataclass(frozen=True)
class Verdict:
    """A condition on one run. values: of its facts, as words."""

    letter: str
    condition: str
    holds: bool
    values: str


@dataclass(frozen=True)
class Against:
    """The facts of a run, with those of the first one behind the name `baseline`."""

    facts: Facts
    baseline: Facts

    def history(self, name: str) -> History:
        return self.facts.history(name)


def understood(texts: Sequence[str]) -> list[Condition]:
    """The conditions, before anything is read. Raises UserError, with a caret below the place."""
    conditions = []
    for each in texts:
        try:
            conditions.append(parse(each, baseline=True))
        except ConditionError as error:
            error.args = (error.shown(OPTION),)
            raise
    return conditions


def judged(conditions: Sequence[Condition], sides: Sequence[Side]) -> list[Verdict]:
    """Each condition on each run but the baseline. Raises UserError where one cannot be judged: a gate that looks at
    nothing must not be open."""
    return [_judge(condition, side, sides[0]) for condition in conditions for side in sides[1:]]


def _judge(condition: Condition, side: Side, baseline: Side) -> Verdict:
    if side.facts is None or baseline.facts is None:
        raise ValueError("the runs were read without their facts")
    known = Against(side.facts, baseline.facts)
    verdict = condition.judge(known)
    if verdict is None:
        verdict = _undecided(condition, side, baseline)
    elif not verdict and _nonfinite(condition, side.facts):
        verdict = True  # a NaN compares false with everything, and is worse than any threshold
    return Verdict(side.letter, condition.text, verdict, _values(condition, known))


def _undecided(condition: Condition, side: Side, baseline: Side) -> bool:
    for each in (side, baseline):
        missing = [name for name in condition.facts if each.facts is not None and not each.facts.history(name).count]
        if missing:
            raise UserError(
                f"{OPTION} {text.clean(condition.text)!r} cannot be judged: {each.name} reported no"
                f" {' and no '.join(map(text.clean, missing))}; {_there(each)}"
            )
    if side.facts is not None and _nonfinite(condition, side.facts):
        return True
    raise UserError(
        f"{OPTION} {text.clean(condition.text)!r} cannot be judged of {side.name}: too few values, or a division by 0"
    )


def _there(side: Side) -> str:
    """What the run did report."""
    names = side.facts.names() if side.facts is not None else []
    shown = [name if name in NAMES else f"'{text.clean(name)}'" for name in names[:12]]
    return f"there are {', '.join(shown)}" if shown else "it reported nothing"


def _nonfinite(condition: Condition, facts: Facts) -> bool:
    return any((value := facts.history(name).last) is not None and not math.isfinite(value) for name in condition.facts)


def _values(condition: Condition, known: Against) -> str:
    return ", ".join(
        f"{text.clean(name)} {text.number(known.history(name).last)}, baseline"
        f" {text.number(known.baseline.history(name).last)}"
        for name in condition.facts
    )
