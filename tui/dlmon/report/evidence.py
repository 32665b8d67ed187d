"""What a pack is made of: everything that a log says of a run, collected in one pass, immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlmon.record.manifest import Manifest
from dlmon.rehearsal.report import Record
from dlmon.state.evaluation_names import PassName
from dlmon.state.snapshot import SeriesView
from dlmon.view import View
from dlmon_probes import events
from dlmon_probes.events_predictions import Predictions


@dataclass(frozen=True)
class Span:
    """Some consecutive steps, first ≤ step < end, and what came of them.

    losses: series index to (sum, how many) of the finite values; nonfinite: to how many were not. end_seconds: since
    the hello, at the last step's end.
    noted: the last value of what the script logged by itself, by column of the training log.
    """

    first: int
    end: int
    losses: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    nonfinite: Mapping[str, int] = field(default_factory=dict)
    accuracy: tuple[float, int] = (0.0, 0)
    lr: float | None = None
    end_seconds: float | None = None
    noted: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """One model (or several that are trained together) in one process. name: its class, a container by its children.

    parameters: numbers in it, shared ones once; trained: of them, those that require a gradient. first ≤ step < end.
    apart: False where these are several models, of which it cannot be told when each was trained.
    """

    name: str
    parameters: int
    trained: int
    first: int
    end: int
    apart: bool = True
    models: Sequence[int] = ()  # their places among the models of the process

    @property
    def steps(self) -> int:
        return self.end - self.first


@dataclass(frozen=True)
class Process:
    """What one training process reported. Times are unix seconds, memory is bytes.

    spans lie between evaluations and epochs. steps_per_epoch: None where the training's loader has no length.
    step_seconds: sum of the steps' wall times, the first left out; waited: of that, waiting for data.
    answers: by (loader, name) of an evaluation, the predictions of its last pass, and of the one with the lowest loss.
    """

    file: str
    rank: int
    hello: events.Hello
    losses: Mapping[str, SeriesView] = field(default_factory=dict)  # by series index
    main_loss: str | None = None  # series index of the loss in the training log
    lr: SeriesView | None = None
    gradients: Mapping[str, SeriesView] = field(default_factory=dict)  # total norm, by optimizer
    ends: SeriesView | None = None  # of each step, seconds since the hello
    memory: Mapping[str, SeriesView] = field(default_factory=dict)  # bytes, by "cuda:0 allocated"…
    spans: Sequence[Span] = ()
    evaluations: Sequence[events.Evaluation] = ()
    evaluated: Sequence[int | None] = ()  # of each evaluation, the place of the model, where it was told
    names: Mapping[tuple[int, str], PassName] = field(default_factory=dict)  # of them, by loader and name
    left_out: int = 0  # evaluations beyond those kept
    loaders: Mapping[int, events.Loader] = field(default_factory=dict)
    steps_per_epoch: float | None = None
    trainings: Sequence[Training] = ()
    last_answers: Mapping[tuple[int, str], Predictions] = field(default_factory=dict)
    best_answers: Mapping[tuple[int, str], Predictions] = field(default_factory=dict)
    steps: int = 0
    step_seconds: float = 0.0
    timed_steps: int = 0
    waited: float = 0.0
    first_step_at: float | None = None  # start of the first step
    last_step_at: float | None = None
    peak_gpu: int | None = None
    peak_host: int | None = None
    seed: int | None = None  # None: not known, or nobody set one


@dataclass(frozen=True)
class Machine:
    """Histories over tenths of seconds since the launch: `step` of the points is that. cpu and utilisation are shares,
    memory is bytes. gpus: uuid to name. note: why there are none."""

    cpu: SeriesView | None = None
    ram: SeriesView | None = None
    ram_total: int = 0
    processes: SeriesView | None = None  # resident memory of the training's processes
    gpus: Mapping[str, str] = field(default_factory=dict)
    gpu_total: Mapping[str, int] = field(default_factory=dict)
    utilisation: Mapping[str, SeriesView] = field(default_factory=dict)
    gpu_memory: Mapping[str, SeriesView] = field(default_factory=dict)
    note: str = ""
    imports: float | None = None  # seconds of importing torch


@dataclass(frozen=True)
class Evidence:
    """One run. processes: those of the lowest rank, in the order in which they began; none where no step was taken.

    rehearsal: where the run is a stage of one, or rehearsals were given beside it. stage: the stage's name, "" for a
    run of its own.
    """

    folder: Path
    manifest: Manifest
    view: View
    processes: Sequence[Process] = ()
    machine: Machine = field(default_factory=Machine)
    rehearsal: Record | None = None
    stage: str = ""

    @property
    def main(self) -> Process | None:
        """The process that took the most steps."""
        return max(self.processes, key=lambda process: process.steps, default=None)

    @property
    def name(self) -> str:
        return self.manifest.name
