"""Everything there is to say of several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dlmon.checks.finding import Finding
from dlmon.compare.changes import NOTHING, ONLY_SEED, Changes, Difference, changes
from dlmon.compare.inputs import first_loss
from dlmon.compare.metrics import END, Delta, Metric, delta, metrics
from dlmon.compare.resources import Resource, resources
from dlmon.compare.seeds import Group, groups, over_seeds, with_spread
from dlmon.compare.side import Side
from dlmon.compare.threshold import Verdict
from dlmon.plain import plain


@dataclass(frozen=True)
class FindingMoves:
    """What the checks say of a run and not of the baseline, and the reverse."""

    letter: str
    appeared: Sequence[Finding] = ()
    gone: Sequence[Finding] = ()
    both: Sequence[Finding] = ()


@dataclass(frozen=True)
class Comparison:
    """sides[0] is the baseline; changes and findings: of each other run against it. seeds: the runs in groups that
    share all but the seed; over_seeds: the metrics by group, empty where no group has two runs."""

    sides: Sequence[Side]
    changes: Sequence[Changes]
    metrics: Sequence[Metric]
    resources: Sequence[Resource]
    findings: Sequence[FindingMoves]
    seeds: Sequence[Group] = ()
    over_seeds: Sequence[Metric] = ()
    verdicts: Sequence[Verdict] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; NaN and infinities as strings, as in the log."""
        row = {
            "runs": [_side(side) for side in self.sides],
            "changes": [_changes(item) for item in self.changes],
            "metrics": [_metric(metric) for metric in self.metrics],
            "over_seeds": [_metric(metric) for metric in self.over_seeds],
            "seed_groups": [[self.sides[place].letter for place in group.members] for group in self.seeds],
            "resources": [_metric(item.metric) | {"unit": item.unit} for item in self.resources],
            "findings": [
                {
                    "run": moves.letter,
                    "appeared": [finding.as_json() for finding in moves.appeared],
                    "gone": [finding.as_json() for finding in moves.gone],
                }
                for moves in self.findings
            ],
            "conditions": [asdict(verdict) for verdict in self.verdicts],
        }
        told: dict[str, Any] = plain(row)
        return told


def compared(sides: Sequence[Side], verdicts: Sequence[Verdict] = ()) -> Comparison:
    """The comparison of runs that were read."""
    baseline, *others = sides
    between = [changes(baseline, other) for other in others]
    found = groups(len(sides), lambda one, two: _alike(sides, between, one, two))
    several = any(group.several for group in found) and len(found) > 1
    alike = frozenset(place for place in found[0].members if place)
    rows = [replace(with_spread(row, found), alike=alike) for row in metrics(sides)]
    return Comparison(
        tuple(sides), tuple(between), tuple(rows), tuple(resources(sides)),
        tuple(moves(baseline, other) for other in others), tuple(found),
        tuple(replace(over_seeds(row, found), alike=frozenset()) for row in rows if row.what == END) if several else (),
        tuple(verdicts),
    )  # fmt: skip


def _alike(sides: Sequence[Side], between: Sequence[Changes], one: int, two: int) -> bool:
    """Whether two runs differ in nothing but the seed."""
    found = between[two - 1] if one == 0 else changes(sides[one], sides[two])
    return found.verdict in (NOTHING, ONLY_SEED)


def moves(baseline: Side, other: Side) -> FindingMoves:
    """By the finding's id: what a check says of it has other numbers in another run."""
    before = {finding.id: finding for finding in baseline.findings}
    after = {finding.id: finding for finding in other.findings}
    return FindingMoves(
        other.letter,
        tuple(finding for id, finding in after.items() if id not in before),
        tuple(finding for id, finding in before.items() if id not in after),
        tuple(finding for id, finding in after.items() if id in before),
    )


def with_verdicts(comparison: Comparison, verdicts: Sequence[Verdict]) -> Comparison:
    return replace(comparison, verdicts=tuple(verdicts))


def _side(side: Side) -> dict[str, Any]:
    snapshot = side.snapshot
    return {
        "run": side.letter, "name": side.name, "folder": str(side.folder), "argv": list(side.manifest.argv),
        "state": snapshot.state, "exit_code": snapshot.exit_code, "steps": snapshot.step,
        "seconds": snapshot.elapsed, "first_loss": first_loss(side),
    }  # fmt: skip


def _changes(item: Changes) -> dict[str, Any]:
    return {
        "run": item.letter, "verdict": item.verdict, "sentence": item.sentence(),
        "causes": [_difference(one) for one in item.causes], "seeds": [_difference(one) for one in item.seeds],
        "aside": [_difference(one) for one in item.aside], "observed": [_difference(one) for one in item.observed],
        "same_first_losses": item.same_steps, "losses_part_at_step": item.parts,
    }  # fmt: skip


def _difference(item: Difference) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": item.kind, "name": item.name, "before": item.before, "after": item.after}
    return row | ({"diff": list(item.diff)} if item.diff else {})


def _metric(metric: Metric) -> dict[str, Any]:
    deltas: list[Delta] = [delta(metric, place) for place in range(1, len(metric.readings))]
    return {
        "name": metric.name, "what": metric.what, "step": metric.step, "higher_is_better": metric.higher,
        "values": [asdict(reading) for reading in metric.readings],
        "against_baseline": [asdict(item) for item in deltas],
    }  # fmt: skip
