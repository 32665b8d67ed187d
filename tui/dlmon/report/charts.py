"""What is drawn of a run, as plain data: the pictures in curves/ and those of the page come from the same charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dlmon import text
from dlmon.report.evaluations import groups
from dlmon.report.evidence import Evidence, Process
from dlmon.report.machine import TICKS
from dlmon.report.phases import phase_times
from dlmon.state.series import smooth
from dlmon.state.snapshot import SeriesView

FEWEST_SMOOTHED = 60  # values: a shorter curve is drawn as it is
MOST_POINTS = 400  # of a line: more than a page has columns for
MOST_LINES = 6
WIDE = 30.0  # × from the least to the greatest value, from which an axis is logarithmic
GIB = 1024.0**3


@dataclass(frozen=True)
class Line:
    """x, y and, where there are any, low, high and raw are of equal length. y: smoothed where there is raw, the values
    themselves. low, high: least and greatest of what a point stands for. dots: values that were measured singly."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    raw: Sequence[float] = ()
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """A picture. file: its name in curves/ without ending. log: the y axis is logarithmic. whole: it goes from 0 to
    100. note: one line below."""

    file: str
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    log: bool = False
    whole: bool = False
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Shares of a whole: (name, seconds, share)."""

    file: str
    title: str
    rows: Sequence[tuple[str, float, float]] = field(default_factory=tuple)


def charts(evidence: Evidence) -> tuple[Chart, ...]:
    """Those for which the log has values, in the order of the page."""
    process = evidence.main
    found = [] if process is None else [_loss(process), _accuracy(process), _lr(process), _gradients(process)]
    found += [_memory(evidence), _utilisation(evidence)]
    return tuple(chart for chart in found if chart.lines)


def phase_bars(evidence: Evidence) -> Bars | None:
    rows = tuple((phase.name, phase.seconds, phase.share) for phase in phase_times(evidence))
    return Bars("phase_times", "Where the time went", rows) if rows else None


def _loss(process: Process) -> Chart:
    lines = [
        _thinned(view, f"{text.clean(view.name)} (training)" if len(process.losses) < 2 else text.clean(view.name))
        for view in list(process.losses.values())[:MOST_LINES]
    ]
    for group in groups(process)[: MOST_LINES - 1]:
        known = [(one.step, one.loss) for one in group.passes if one.loss is not None and _finite(one.loss)]
        if known:
            lines.append(_measured(f"{text.clean(group.label)} loss", known))
    bad = sum(len(view.points.nonfinite) for view in process.losses.values())
    note = f"{text.plural(bad, 'value')} NaN or infinite, not drawn" if bad else ""
    drawn = tuple(line for line in lines if line.x)
    wide = _wide([value for line in drawn for value in line.y])
    return Chart("loss", "Loss", "step", "", drawn, log=wide, note=note)


def _wide(values: Sequence[float]) -> bool:
    """Whether values are all above zero and too far apart for a linear axis."""
    return bool(values) and min(values) > 0 and max(values) > WIDE * min(values)


def _accuracy(process: Process) -> Chart:
    lines = []
    for group in groups(process)[:MOST_LINES]:
        known = [(one.step, 100 * one.accuracy) for one in group.passes if one.accuracy is not None]
        if known:
            lines.append(_measured(f"{text.clean(group.label)} accuracy", known))
    return Chart("accuracy", "Accuracy", "step", "%", tuple(lines))


def _lr(process: Process) -> Chart:
    lines = () if process.lr is None else (_thinned(process.lr, "learning rate", band=False),)
    wide = _wide([value for line in lines for value in line.y if value > 0])
    return Chart("lr", "Learning rate", "step", "", lines, log=wide)


def _gradients(process: Process) -> Chart:
    views = list(process.gradients.values())[:MOST_LINES]
    names = ["gradient norm"] if len(views) == 1 else [view.name for view in views]
    lines = tuple(line for view, name in zip(views, names, strict=True) if (line := _thinned(view, name, band=False)).x)
    wide = _wide([value for line in lines for value in line.y])
    note = "over all parameters, in sampled steps"
    return Chart("gradient_norms", "Gradient norm", "step", "", lines, log=wide, note=note)


def _memory(evidence: Evidence) -> Chart:
    machine = evidence.machine
    lines = [_over_time(view, f"{text.clean(machine.gpus[uuid])}", GIB) for uuid, view in machine.gpu_memory.items()]
    title = "GPU memory"
    if not lines:
        title = "Memory"
        views = ((machine.processes, "the training's processes"), (machine.ram, "whole machine"))
        lines = [_over_time(view, name, GIB) for view, name in views if view is not None]
    lines = [line for line in lines if len(line.x) > 1]
    return Chart("memory", title, "seconds since the launch", "GiB", tuple(lines[:MOST_LINES]), note=_no_gpu(evidence))


def _utilisation(evidence: Evidence) -> Chart:
    machine = evidence.machine
    lines = [_over_time(view, text.clean(machine.gpus[uuid]), 0.01) for uuid, view in machine.utilisation.items()]
    if machine.cpu is not None:
        lines.append(_over_time(machine.cpu, "CPU, all cores", 0.01))
    lines = [line for line in lines if len(line.x) > 1]
    return Chart(
        "utilisation", "Utilisation", "seconds since the launch", "% busy", tuple(lines[:MOST_LINES]),
        whole=True, note=_no_gpu(evidence),
    )  # fmt: skip


def _no_gpu(evidence: Evidence) -> str:
    return "" if evidence.machine.gpus else text.clean(evidence.machine.note)


def _over_time(view: SeriesView, name: str, unit: float) -> Line:
    line = _thinned(view, name, band=False)
    return Line(name, tuple(x / TICKS for x in line.x), tuple(y / unit for y in line.y))


def _measured(name: str, known: Sequence[tuple[int, float]]) -> Line:
    every = max(1, -(-len(known) // MOST_POINTS))
    kept = [*known[:-1:every], known[-1]]
    return Line(name, tuple(float(x) for x, _ in kept), tuple(y for _, y in kept), dots=len(kept) <= 60)


def _thinned(view: SeriesView, name: str, *, band: bool = True) -> Line:
    """At most 400 points: the mean of each part, and with `band` the least and the greatest value in it."""
    points = view.points
    per = max(1, -(-len(points.step) // MOST_POINTS))
    x, y, low, high = [], [], [], []
    for part in _slices(len(points.step), per):
        x.append(float(points.step[part.start]))
        y.append(sum(points.mean[part]) / len(points.mean[part]))
        low.append(min(points.low[part]))
        high.append(max(points.high[part]))
    if band and any(a != b for a, b in zip(low, high, strict=True)):
        return Line(name, x, y, low, high)
    if band and len(y) >= FEWEST_SMOOTHED:
        return Line(name, x, smooth(y), raw=y)
    return Line(name, x, y, dots=len(x) <= 2)


def _slices(size: int, per: int) -> Iterator[slice]:
    return (slice(start, min(size, start + per)) for start in range(0, size, per))


def _finite(value: float) -> bool:
    return value - value == 0
