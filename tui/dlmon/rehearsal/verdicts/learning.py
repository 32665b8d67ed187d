"""How far a loss came: towards its floor, above chance, and whether it still falls. Numbers for engine and overfit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median

from dlmon import text
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.labels import counts
from dlmon.state.expected_loss import main_loss
from dlmon.state.snapshot import RankFacts, SeriesView
from dlmon_probes import events

LEVEL = 5  # values whose median is the loss "at" a step: one lucky or unlucky value does not decide
MINOR = 0.1  # series with fewer values than this part of the longest are another phase of the script
FLOOR_SLACK = 1e-3  # of the way: a loss this far below its floor shows that the floor is not its floor
SAME_FLOOR = 0.02  # of the way: floors of several steps that differ by more belong to targets that changed
RECENT_GRAPHS = 4  # of each series are kept at the end of a run
LATE = 0.5  # of the steps: accuracies from there on are taken together where batches differ


@dataclass(frozen=True)
class Learning:
    """One loss over a stage.

    values: (step, loss), finite ones. first: the first loss. last, best: medians of `LEVEL` values: of the last ones,
    and the lowest there was. best_step: when. floor None: not known, `floor_how` says why. floor_moves: it differed
    from step to step. accuracy: share of rows that were right when it was last looked at, at accuracy_step.
    late_accuracy: mean over the looks of the second half, of `rows` rows together. chance: what guessing the commonest
    class gives. spread: variance of the targets of a squared error, what predicting their mean costs. entropy: of the
    labels, what guessing by their shares costs where the loss is the mean of one class loss. nonfinite: step
    of the first NaN or infinite loss that was not overcome.
    """

    series: SeriesView
    values: Sequence[tuple[int, float]]
    first: float
    last: float
    best: float
    best_step: int
    floor: float | None
    floor_how: str
    floor_moves: bool = False
    accuracy: float | None = None
    accuracy_step: int = 0
    late_accuracy: float | None = None
    chance: float | None = None
    rows: int = 0
    spread: float | None = None
    entropy: float | None = None
    nonfinite: int | None = None

    @property
    def way(self) -> float | None:
        """The part of the way from the first loss to its floor that was gone at best; None where no floor is known
        or the loss began there."""
        if self.floor is None or self.first - self.floor <= 1e-6 * max(1.0, abs(self.first)):
            return None
        return (self.first - self.best) / (self.first - self.floor)

    @property
    def fall(self) -> float | None:
        """The part of the first loss that was lost at best; None for losses that do not start above 0."""
        return (self.first - self.best) / self.first if self.first > 0 else None


def main_series(run: StageRun) -> list[SeriesView]:
    """The losses of the stage's loop, without those of a short phase beside it."""
    found = [series for series in run.losses if series.count]
    most = max((series.count for series in found), default=0)
    return [series for series in found if series.count >= max(1.0, MINOR * most)]


def learning_of(run: StageRun, series: SeriesView, since: int = 0) -> Learning | None:
    """None where the loss never had a finite value. since: the step with which the stage's own data began."""
    values = [pair for pair in finite_values(series) if pair[0] >= since]
    if not values:
        return None
    index = series_index(run.facts, series)
    first = values[0][1]
    levels = [(values[i][0], _level(values, i)) for i in range(min(LEVEL, len(values)) - 1, len(values))]
    best_step, best = min(levels, key=lambda pair: pair[1])
    floor, how, moves = _floor(run.facts, index, first, min(value for _, value in values))
    graphs = _graphs(run.facts, index)
    looks = [(graph.step, share) for graph in graphs if (share := graph_accuracy(graph)) is not None]
    late = [share for step, share in looks if step >= LATE * series.last_step][-RECENT_GRAPHS:]
    return Learning(
        series=series, values=values, first=first, last=levels[-1][1], best=best, best_step=best_step, floor=floor,
        floor_how=how, floor_moves=moves, accuracy=looks[-1][1] if looks else None,
        accuracy_step=looks[-1][0] if looks else 0, late_accuracy=mean(late) if late else None,
        chance=_chance(graphs), rows=_rows(graphs) * len(late), spread=_spread(graphs),
        entropy=_entropy(graphs), nonfinite=_nonfinite(series),
    )  # fmt: skip


def finite_values(series: SeriesView) -> list[tuple[int, float]]:
    """Raw values where they were kept (512 at the end, 64 at the start), means of buckets in between."""
    values = dict(zip(series.points.step, series.points.mean, strict=False))
    values.update((step, value) for step, value in (*series.first, *series.recent) if math.isfinite(value))
    return sorted(values.items())


def _level(values: Sequence[tuple[int, float]], i: int) -> float:
    return median(value for _, value in values[max(0, i + 1 - LEVEL) : i + 1])


def series_index(facts: RankFacts | None, series: SeriesView) -> int | None:
    """The index that graphs and floors know a series by."""
    if facts is None:
        return None
    for index, site in facts.series.items():
        if site.name == series.name and (site.where == series.where or site.where is None):
            return index
    return next(iter(facts.series)) if len(facts.series) == 1 else None


def _graphs(facts: RankFacts | None, index: int | None) -> list[events.Graph]:
    if facts is None:
        return []
    return sorted((g for g in facts.graphs if index is None or g.series == index), key=lambda g: (g.step, g.t))


def _floor(facts: RankFacts | None, index: int | None, first: float, lowest: float) -> tuple[float | None, str, bool]:
    """(value, how it is known or why not, whether it moved) of a loss that started at `first` and reached `lowest`."""
    told = [f for f in facts.floors if index is None or f.series == index] if facts is not None else []
    if not told:
        return None, "the loss's graph was not read", False
    unknown = next((floor for floor in told if floor.value is None or not math.isfinite(floor.value)), None)
    if unknown is not None:
        return None, unknown.how or "its graph does not tell", False
    known = [floor.value for floor in told if floor.value is not None]
    floor, way = max(known), max(abs(first - max(known)), 1e-9)
    if lowest < min(known) - FLOOR_SLACK * max(way, 1.0):
        return None, f"the loss went to {text.number(lowest)}, below {text.number(floor)} ({told[-1].how})", False
    return floor, told[-1].how, max(known) - min(known) > SAME_FLOOR * way


def graph_accuracy(graph: events.Graph) -> float | None:
    return next((loss.accuracy for loss in graph.losses if loss.accuracy is not None), None)


def _chance(graphs: Sequence[events.Graph]) -> float | None:
    """The share of the commonest class in the last batch that tells."""
    for graph in reversed(graphs):
        for loss in graph.losses:
            found = counts(loss)
            if found:
                return max(found.values()) / sum(found.values())
            target = loss.target
            if loss.op.startswith("BinaryCrossEntropy") and target is not None and target.mean is not None:
                return max(target.mean, 1 - target.mean) if target.integers else None
    return None


def _rows(graphs: Sequence[events.Graph]) -> int:
    for graph in reversed(graphs):
        for loss in graph.losses:
            if loss.accuracy is not None:
                return sum(counts(loss).values()) or (math.prod(loss.target.shape) if loss.target else 1)
    return 0


def _spread(graphs: Sequence[events.Graph]) -> float | None:
    """Variance of the targets, where the loss is the mean squared error itself."""
    for graph in reversed(graphs):
        if len(graph.losses) == 1 and graph.losses[0].op.startswith("MseLoss") and graph.nodes:
            loss = graph.losses[0]
            if graph.nodes[0].op == loss.op and loss.reduction in (None, 1) and loss.target is not None:
                return loss.target.std**2 if loss.target.std else None
    return None


def _entropy(graphs: Sequence[events.Graph]) -> float | None:
    """In nats, of the last batch that tells; None where sums, weights or further terms make the loss another."""
    for graph in reversed(graphs):
        loss = main_loss(graph)
        if loss is None or not loss.op.startswith("NllLoss") or loss.reduction not in (None, 1) or loss.weighted:
            continue
        shares = list(counts(loss).values())
        if len(shares) > 1:
            return -sum(n / sum(shares) * math.log(n / sum(shares)) for n in shares)
    return None


def _nonfinite(series: SeriesView) -> int | None:
    """The step since which the loss is not a number any more; None where its last value is finite."""
    if series.last is None or math.isfinite(series.last) or not series.points.nonfinite:
        return None
    return series.points.nonfinite[0]


@dataclass(frozen=True)
class Trend:
    """The last third of a loss. drop: part of the gap to the floor (to 0 where none is known) that was lost in it.
    creeping: it fell by more than its own noise, however little. steps: how long it was."""

    drop: float
    creeping: bool
    steps: int

    @property
    def falling(self) -> bool:
        return self.creeping and self.drop >= FALLING

    def steps_left(self, gap: float, target: float) -> float | None:
        """Steps until the gap is down to `target` if it goes on like this; None where it does not fall."""
        if not self.falling or gap <= 0 or target <= 0:
            return None
        if gap <= target:
            return 0.0
        return math.inf if self.drop <= 0 else self.steps * math.log(target / gap) / math.log1p(-min(self.drop, 0.99))


FALLING = 0.005  # of the gap over the last third: less is standing still, or as good as
CREEPING = 1e-5  # … unless the steps themselves are tiny; below this float32 rounds


def trend(learning: Learning) -> Trend:
    """The two halves of the last third, by their medians, against the noise within them."""
    tail = learning.values[-max(2, len(learning.values) // 3) :]
    half = len(tail) // 2
    before, after = [value for _, value in tail[:half]], [value for _, value in tail[half:]]
    if half < 2:
        return Trend(0.0, False, 0)
    floor = learning.floor if learning.floor is not None else min(0.0, learning.best)
    fell, gap = median(before) - median(after), median(before) - floor
    noise = 1.5 * (_noise(before) + _noise(after)) / math.sqrt(half)
    # Between the middles of the halves lies half of the tail; the drop is told for the whole of it.
    drop = 1 - max(0.0, 1 - fell / gap) ** 2 if gap > 0 and fell > 0 else 0.0
    return Trend(drop, fell > max(noise, CREEPING * gap), tail[-1][0] - tail[0][0] + 1)


def _noise(values: Sequence[float]) -> float:
    """Typical size of the jumps from value to value: what is left of a trend when it is taken away."""
    jumps = [abs(b - a) for a, b in zip(values, values[1:], strict=False)]
    slope = abs(values[-1] - values[0]) / max(1, len(values) - 1)
    return max(0.0, median(jumps) - slope) if jumps else 0.0


def numbers(learning: Learning, *, floor: bool = True) -> str:
    """ "loss 1.096 → 0.0123 in 61 steps, floor 0 (hard labels); accuracy 100 %"."""
    steps = text.plural(learning.series.last_step + 1, "step")
    line = f"{learning.series.name} {text.number(learning.first)} → {text.number(learning.last)} in {steps}"
    if learning.best < learning.last - 0.05 * abs(learning.first - learning.best):
        line += f" (lowest {text.number(learning.best)} at step {text.count(learning.best_step)})"
    if floor:
        line += f", {floor_text(learning)}"
    if learning.accuracy is not None and learning.accuracy_step >= LATE * learning.series.last_step:
        early = learning.accuracy_step < 0.9 * learning.series.last_step
        when = f" at step {text.count(learning.accuracy_step)}" if early else ""
        line += f"; accuracy {text.percent(learning.accuracy)}{when}"
    return line


def floor_text(learning: Learning) -> str:
    if learning.floor is None:
        return f"floor not known: {learning.floor_how}"
    return f"floor {text.number(learning.floor)} ({learning.floor_how})"
