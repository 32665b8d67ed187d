"""What a screen, a report or a check may look at: one run at one moment, immutable.

Made by `dlmon.state.run_state.RunState.snapshot()` from the events read so far. The event dataclasses of
`dlmon_probes.events` are reused where a fact passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlmon_probes import events
from dlmon_probes.events_predictions import Predictions

# What the run is doing, in the words the screen shows.
STARTING = "starting"
IMPORTING = "importing torch"
PREPARING = "preparing"  # torch is there, no step yet
TRAINING = "training"
EVALUATING = "evaluating"
PAUSED = "paused"
STALLED = "stalled"
FINISHED = "finished"
FAILED = "failed"
STOPPED = "stopped"  # ended by a signal that a person or the scheduler sent
LOST = "lost"  # no end was recorded and nothing of it is alive

OVER = frozenset({FINISHED, FAILED, STOPPED, LOST})


@dataclass(frozen=True)
class Points:
    """A series thinned to buckets of equal width in steps: for each, its first step, minimum, maximum, mean, last.

    Non-finite values are left out of these and listed in `nonfinite` (their steps, the first 1,000).
    """

    step: Sequence[int] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    mean: Sequence[float] = ()
    last: Sequence[float] = ()
    nonfinite: Sequence[int] = ()


@dataclass(frozen=True)
class SeriesView:
    """A line in the loss chart. source: "loss" (a backward call site), "evaluation" or the name of a logger.

    first: the first `FIRST_VALUES` raw (step, value) pairs, not thinned, NaN and Inf included.
    recent: the last `RECENT_VALUES` raw pairs. count: values seen. low, high: over all finite values.
    """

    name: str
    source: str
    where: events.Where | None = None
    points: Points = field(default_factory=Points)
    first: Sequence[tuple[int, float]] = ()
    recent: Sequence[tuple[int, float]] = field(default_factory=tuple)
    last: float | None = None
    last_step: int = 0
    count: int = 0
    smoothed: Sequence[float] = field(default_factory=tuple)  # aligned with points.step: debiased exponential average


@dataclass(frozen=True)
class ParameterView:
    """One row of the gradient-health table, from the last sampled step that has it. trend: its last gradient norms,
    oldest first. module: qualified name without the last part. samples: how many samples it has been in."""

    p: int
    name: str
    module: str
    shape: Sequence[int]
    dtype: str
    requires_grad: bool
    optimizer: int | None
    numel: int
    step: int | None = None
    norm: float | None = None
    max_abs: float | None = None
    zeros: float | None = None
    nonfinite: int = 0
    weight: float | None = None
    update: float | None = None
    trend: Sequence[float | None] = ()
    first_norm: float | None = None
    samples: int = 0


@dataclass(frozen=True)
class ChecklistItem:
    """A line of the smoke list. verdict: "pass", "fail", "waiting" or "unknown". detail carries the numbers."""

    name: str
    verdict: str
    detail: str


@dataclass(frozen=True)
class RankView:
    """One training process as it last reported. heartbeat: unix seconds of the last line it wrote."""

    rank: int
    pid: int
    host: str
    step: int
    phase: str
    heartbeat: float
    ended: bool = False
    file: str = ""


@dataclass(frozen=True)
class BarView:
    """A progress bar of one rank."""

    rank: int
    bar: events.Bar


@dataclass(frozen=True)
class EvaluationView:
    """One finished evaluation pass with the rank it came from. label: its name (see evaluation_names)."""

    rank: int
    event: events.Evaluation
    label: str = ""


@dataclass(frozen=True)
class PredictionsView:
    """What the model answered in one evaluation pass, with the rank it came from."""

    rank: int
    event: Predictions


@dataclass(frozen=True)
class RankFacts:
    """What one rank reported, kept as events for the checks. Lists hold the first few and the last few.

    orders, gradients: the first 32 and the last 64. graphs: by series, first and last. batches: by loader.
    """

    rank: int
    hello: events.Hello | None = None
    models: Sequence[events.Model] = ()
    optimizers: Sequence[events.Optimizer] = ()
    series: Mapping[int, events.Series] = field(default_factory=dict)
    orders: Sequence[events.Order] = ()
    gradients: Sequence[events.Gradients] = ()
    modes: Sequence[events.Modes] = ()
    graphs: Sequence[events.Graph] = ()
    loaders: Mapping[int, events.Loader] = field(default_factory=dict)
    batches: Sequence[events.Batch] = ()
    first_activations: events.Activations | None = None
    last_activations: events.Activations | None = None
    crash: events.Crash | None = None
    governor: events.Governor | None = None
    heartbeat: events.Heartbeat | None = None
    probe_errors: Sequence[events.ProbeError] = ()
    memory: Sequence[events.Memory] = ()  # the last of each device
    rows: Mapping[str, Sequence[float | None]] = field(default_factory=dict)  # last 512 steps: dt, wait, lr, micro
    stage: Sequence[events.Stage] = ()  # what a rehearsal stage did in this process
    stage_data: events.StageData | None = None  # as last told
    floors: Sequence[events.LossFloor] = ()
    checkpoints: Sequence[events.Checkpoint] = ()
    further: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # other kinds of events: the first 32, last 64


@dataclass(frozen=True)
class MachineView:
    """The last host sample, and short histories (oldest first, one value per sample, at most 240)."""

    host: events.Host | None = None
    cpu: Sequence[float] = ()
    ram: Sequence[float] = ()
    gpu_utilisation: Mapping[str, Sequence[float]] = field(default_factory=dict)  # by uuid
    gpu_memory: Mapping[str, Sequence[float]] = field(default_factory=dict)
    torch: Sequence[events.Memory] = ()
    blocked: Sequence[float] = ()  # 1.0 where a process of the training waited for storage, else 0.0
    iowait: Sequence[float] = ()
    gpu_clock: Mapping[str, Sequence[float]] = field(default_factory=dict)  # share of the highest clock
    gpu_throttle: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)  # reasons, in words


@dataclass(frozen=True)
class Timing:
    """Step times in seconds over the last 512 steps; wait_share: part of it spent waiting for data."""

    median: float | None = None
    p95: float | None = None
    rate: float | None = None  # steps per second
    samples_rate: float | None = None
    wait_share: float | None = None


@dataclass(frozen=True)
class RunSnapshot:
    """One run at one moment. Times are unix seconds; `elapsed` seconds since launch, to the end once it is over.

    total_steps, epoch and eta are read off the script's own progress bars and loaders: None where they cannot be.
    step: completed steps of the leading rank. exit_code: None while it runs.
    """

    name: str
    folder: str
    command: Sequence[str]
    state: str
    detail: str = ""
    started: float | None = None
    elapsed: float = 0.0
    now: float = 0.0
    step: int = 0
    total_steps: int | None = None
    epoch: str = ""
    eta: float | None = None
    world: int = 1
    exit_code: int | None = None
    signal: str = ""
    timing: Timing = field(default_factory=Timing)
    ranks: Sequence[RankView] = ()
    series: Sequence[SeriesView] = ()
    lr: float | None = None
    parameters: Sequence[ParameterView] = ()
    parameters_step: int | None = None
    machine: MachineView = field(default_factory=MachineView)
    smoke: Sequence[ChecklistItem] = ()
    bars: Sequence[BarView] = ()
    evaluations: Sequence[EvaluationView] = ()
    predictions: Sequence[PredictionsView] = ()  # the last 64 passes, and the best of each loader and name
    facts: Mapping[int, RankFacts] = field(default_factory=dict)  # by rank
    corrupt_lines: int = 0
    notices: Sequence[str] = ()  # one line each: what dlmon itself could not do
    fatal: events.Where | None = None  # the user's line in which a process died below Python, where it left its stack

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def leader(self) -> RankFacts | None:
        """The facts of rank 0, or of the lowest rank there is."""
        return self.facts[min(self.facts)] if self.facts else None
