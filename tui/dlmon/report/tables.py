"""training_log.csv and model_comparison.csv: pure, from Evidence to rows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dlmon.report.evaluations import on_training_data, validation
from dlmon.report.evidence import Evidence, Process, Span, Training
from dlmon.state.snapshot import SeriesView
from dlmon_probes import events

PARTS = 20  # rows of a run without evaluations and epochs
MOST_ROWS = 20_000
LEAST_LOOKS = 3  # training batches for whose accuracy a row stands
DIGITS = 7  # significant: single precision has no more

TRAINING_LOG = (
    "step", "epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr", "seconds", "steps",
)  # fmt: skip
MODEL_COMPARISON = (
    "name", "run", "parameters", "first_step", "steps", "best_val_loss", "best_val_accuracy", "step_seconds",
    "peak_memory_bytes", "memory_of", "findings",
)  # fmt: skip

Cell = str | int | float | None


@dataclass(frozen=True)
class LogRow:
    """A row of the training log: after `step` steps. seconds: since the run was launched. steps: how many of them the
    row covers. epoch: of its training."""

    step: int
    epoch: int | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    train_accuracy: float | None = None
    val_accuracy: float | None = None
    lr: float | None = None
    seconds: float | None = None
    steps: int = 0

    def cells(self) -> tuple[Cell, ...]:
        return tuple(getattr(self, name) for name in TRAINING_LOG)


@dataclass(frozen=True)
class ModelRow:
    """A training beside others; a later one of the same model in the same run is called `Net #2`. memory_of: what the
    peak is of. findings: errors and warnings that stand. best_val_*: of the evaluations between its own steps."""

    name: str
    run: str
    parameters: int | None
    first_step: int
    steps: int
    best_val_loss: float | None
    best_val_accuracy: float | None
    step_seconds: float | None
    peak_memory_bytes: int | None
    memory_of: str
    findings: str

    def cells(self) -> tuple[Cell, ...]:
        return tuple(getattr(self, name) for name in MODEL_COMPARISON)


def training_log(evidence: Evidence) -> tuple[LogRow, ...]:
    """One row for each evaluation for validation; without any, for each epoch; without epochs, for a twentieth."""
    process = evidence.main
    if process is None:
        return ()
    passes = {one.step: one for one in _validated(process)}
    train = {one.step: one for part in _parts_of(process) for one in getattr(on_training_data(*part), "passes", ())}
    rows = []
    started = evidence.view.snapshot.started
    for spans in _merged(process, sorted(passes)):
        step = spans[-1].end
        row = _row(process, spans, started)
        rows.append(_with_evaluations(row, passes.get(step), train.get(step), started))
    return tuple(rows[:MOST_ROWS])


def _parts_of(process: Process) -> Sequence[tuple[Process, Training | None]]:
    """Each training, where there are several."""
    return [(process, one) for one in process.trainings] if len(process.trainings) > 1 else [(process, None)]


def _validated(process: Process) -> list[events.Evaluation]:
    """The validation passes after a step, of each training those of its own set."""
    found = [(training, validation(process, training)) for _, training in _parts_of(process)]
    return [
        one
        for training, group in found
        for one in (group.passes if group is not None else ())
        if one.step and (training is None or training.first < one.step <= training.end)
    ]


def grouping(process: Process) -> str:
    """What a row of the training log is: "evaluation", "epoch" or "part"."""
    if _validated(process):
        return "evaluation"
    length = process.steps_per_epoch
    return "epoch" if length is not None and 1 <= length <= process.steps else "part"


def _merged(process: Process, evaluated: Sequence[int]) -> list[list[Span]]:
    """Spans by row."""
    how = grouping(process)
    if how == "evaluation":
        ends = set(evaluated)
    elif how == "epoch":
        length = process.steps_per_epoch or 1.0
        ends = {round(k * length) for k in range(1, math.ceil(process.steps / length) + 1)}
    else:
        return [[span] for span in _parts(process)]
    ends |= {training.end for training in process.trainings}
    rows: list[list[Span]] = []
    open_row: list[Span] = []
    for span in process.spans:
        open_row.append(span)
        if span.end in ends:
            rows.append(open_row)
            open_row = []
    return [*rows, open_row] if open_row else rows


def _parts(process: Process) -> list[Span]:
    """Twentieths of the run, from the thinned series: bucket means, weighted by the steps of each."""
    main = process.main_loss
    if not process.spans or main is None or main not in process.losses:
        return list(process.spans)
    points = process.losses[main].points
    width = min((two - one for one, two in pairwise(points.step)), default=1)  # of the buckets, in steps
    edges = sorted({round(part * process.steps / PARTS) for part in range(PARTS + 1)})
    spans = []
    for first, end in pairwise(edges):
        places = range(bisect_left(points.step, first), bisect_left(points.step, end))
        weights = [min(width, (*points.step[at + 1 : at + 2], process.steps)[0] - points.step[at]) for at in places]
        total = math.fsum(points.mean[at] * weight for at, weight in zip(places, weights, strict=True))
        bad = bisect_left(points.nonfinite, end) - bisect_left(points.nonfinite, first)
        seconds, rate = (_last_before(view, end) for view in (process.ends, process.lr))
        spans.append(
            Span(first, end, {main: (total, sum(weights))}, {main: bad} if bad else {}, lr=rate, end_seconds=seconds)
        )
    return spans


def _last_before(view: SeriesView | None, end: int) -> float | None:
    """The last value of the last bucket that begins before step `end`."""
    if view is None:
        return None
    place = bisect_left(view.points.step, end) - 1
    return view.points.last[place] if place >= 0 else None


def _row(process: Process, spans: Sequence[Span], started: float | None) -> LogRow:
    last = spans[-1]
    main = process.main_loss or ""
    total, count = _added([span.losses.get(main, (0.0, 0)) for span in spans])
    broke = any(span.nonfinite.get(main) for span in spans)  # a mean of the others would look sound
    right, looks = _added([span.accuracy for span in spans])
    noted = {name: value for span in spans for name, value in span.noted.items()}
    ended = None if last.end_seconds is None else process.hello.t + last.end_seconds
    return LogRow(
        step=last.end,
        epoch=epoch_of(process, last.end),
        train_loss=math.nan if broke else total / count if count else None,
        val_loss=noted.get("val_loss"),
        train_accuracy=noted.get("train_accuracy", right / looks if looks >= LEAST_LOOKS else None),
        val_accuracy=noted.get("val_accuracy"),
        lr=next((span.lr for span in reversed(spans) if span.lr is not None), None),
        seconds=None if ended is None or started is None else max(0.0, ended - started),
        steps=last.end - spans[0].first,
    )


def _with_evaluations(
    row: LogRow, validated: events.Evaluation | None, trained: events.Evaluation | None, started: float | None
) -> LogRow:
    """dlmon's own measurement stands before what the script logged."""
    values = dict(zip(TRAINING_LOG, row.cells(), strict=True))
    if validated is not None:
        values["val_loss"] = row.val_loss if validated.loss is None else validated.loss
        values["val_accuracy"] = row.val_accuracy if validated.accuracy is None else validated.accuracy
        if started is not None:
            values["seconds"] = max(0.0, validated.t - started)
    if trained is not None and trained.accuracy is not None:
        values["train_accuracy"] = trained.accuracy
    return LogRow(**values)  # type: ignore[arg-type]


def _added(pairs: Sequence[tuple[float, int]]) -> tuple[float, int]:
    return math.fsum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)


def epoch_of(process: Process, steps: int) -> int | None:
    """The epoch of its training that the last of `steps` steps belongs to, from 1."""
    steps -= max((training.first for training in process.trainings if training.first < steps), default=0)
    length = process.steps_per_epoch
    if length is None or length < 1 or not steps:
        return None
    return max(1, math.ceil(steps / length - 1e-6))


def model_comparison(runs: Sequence[Evidence]) -> tuple[ModelRow, ...]:
    """One row for each training of each run."""
    found = [
        (evidence, process, training)
        for evidence in runs
        for process in evidence.processes
        for training in process.trainings
        if training.end > training.first
    ]
    rows: list[ModelRow] = []
    for evidence, process, training in found:
        same = sum(row.run == evidence.name and row.name.partition(" #")[0] == training.name for row in rows)
        rows.append(_model_row(evidence, process, training, f"{training.name} #{same + 1}" if same else training.name))
    return tuple(rows)


def _model_row(evidence: Evidence, process: Process, training: Training, name: str) -> ModelRow:
    group = validation(process, training) if training.apart else None
    passes = [one for one in (group.passes if group else ()) if one.step]
    losses = [one.loss for one in passes if one.loss is not None and math.isfinite(one.loss)]
    right = [one.accuracy for one in passes if one.accuracy is not None]
    timed = process.step_seconds / process.timed_steps if process.timed_steps else None
    peak, of = (process.peak_gpu, "GPU, tensors") if process.peak_gpu else (process.peak_host, "process, resident")
    standing = [f for f in evidence.view.judgement.findings if not f.resolved and f.severity != "hint"]
    return ModelRow(
        name=name,
        run=evidence.name,
        parameters=training.parameters,
        first_step=training.first,
        steps=training.steps,
        best_val_loss=min(losses, default=None),
        best_val_accuracy=max(right, default=None),
        step_seconds=timed,
        peak_memory_bytes=peak,
        memory_of=of if peak else "",
        findings="; ".join(dict.fromkeys(finding.id for finding in standing)),
    )
