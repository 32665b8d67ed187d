"""The contract: one frozen dataclass for each kind of line in a run's log.

A line is a JSON object `{"k": kind, "t": unix seconds, ...fields}`. The first line of each file is a `hello`.
Readers skip unknown kinds and unknown fields and fill missing ones with the defaults here, so old readers read new
logs and the reverse. Floats that JSON cannot carry travel as the strings "nan", "inf" and "-inf".

Facts only: names, numbers, shapes, source lines. No event says that something is good or bad.
Seconds are seconds, memory is bytes, shapes are lists of int, dtypes are torch's names without `torch.`.
`step` counts completed optimizer cycles from 0: while step 0 is being computed, `step` is 0.
Parameters are named by `p`, their index in the `model` events of the same file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional, Union

SCHEMA = 1

Number = Optional[float]
Scalar = Union[str, int, float, bool, None]


@dataclass(frozen=True)
class Where:
    """A place in the user's source. `text` is the stripped source line, "" where the source cannot be read."""

    file: str
    line: int
    function: str = ""
    text: str = ""


@dataclass(frozen=True)
class TensorFacts:
    """What can be said of one tensor. Statistics come from a strided subsample when it has over 65,536 elements.

    min, max, mean, std ignore non-finite elements; None where the dtype has no order or the tensor is empty.
    `integers` is true when a floating tensor holds whole numbers only; `unique` counts distinct values up to 1,000
    of an integer tensor (None when above, or not looked at). zeros and nonfinite are shares, 0 to 1.
    """

    shape: list[int]
    dtype: str
    device: str = "cpu"
    min: Number = None
    max: Number = None
    mean: Number = None
    std: Number = None
    zeros: Number = None
    nonfinite: Number = None
    unique: Optional[int] = None
    integers: bool = False
    requires_grad: bool = False


@dataclass(frozen=True)
class NamedTensor:
    """A tensor and how one reaches it: `[0]`, `['image']`, `self.fc1.weight`, `x`. `kind` is its Python class."""

    path: str
    facts: TensorFacts
    kind: str = "Tensor"


# ---------------------------------------------------------------- written by each training process (rank*.jsonl)


@dataclass(frozen=True)
class Hello:
    """First line of each file. role is "rank" (a training process) or "supervisor". torch is None where not known."""

    kind: ClassVar[str] = "hello"
    t: float
    schema: int
    role: str
    pid: int
    host: str
    rank: int = 0
    world: int = 1
    local_rank: int = 0
    ppid: int = 0
    python: str = ""
    torch: Optional[str] = None
    cuda: Optional[str] = None
    argv: list[str] = field(default_factory=list)
    cwd: str = ""
    main: str = ""


@dataclass(frozen=True)
class Phase:
    """The process went into another phase: python, importing_torch, torch_ready, training, evaluating, paused."""

    kind: ClassVar[str] = "phase"
    t: float
    name: str
    step: int = 0
    detail: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter. `p` is its index, `optimizer` the index of the optimizer that holds it (None: none does)."""

    p: int
    name: str
    shape: list[int]
    dtype: str
    device: str
    requires_grad: bool
    numel: int
    optimizer: Optional[int] = None


@dataclass(frozen=True)
class ModuleRow:
    """One module of a root, in definition order. `name` is qualified; "" is the root itself."""

    name: str
    cls: str
    training: bool
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Model:
    """A root module (or, where cls is "", loose tensors that are trained by hand). Written again when it changes."""

    kind: ClassVar[str] = "model"
    t: float
    root: int
    cls: str
    step: int = 0
    file: str = ""
    line: int = 0
    parameters: list[Parameter] = field(default_factory=list)
    modules: list[ModuleRow] = field(default_factory=list)


@dataclass(frozen=True)
class OptimizerGroup:
    """One parameter group: parameter indices and the plain scalars of its options (lr, weight_decay, betas…)."""

    parameters: list[int]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer object that took its first step. `where` is the line that made it."""

    kind: ClassVar[str] = "optimizer"
    t: float
    index: int
    cls: str
    step: int = 0
    groups: list[OptimizerGroup] = field(default_factory=list)
    where: Optional[Where] = None


@dataclass(frozen=True)
class Series:
    """A backward call site, named by what the source says there: `loss_G`. Loss columns refer to `series`.

    call is "backward" or "grad" (torch.autograd.grad).
    """

    kind: ClassVar[str] = "series"
    t: float
    series: int
    name: str
    where: Optional[Where] = None
    call: str = "backward"


@dataclass(frozen=True)
class Steps:
    """A block of consecutive steps, by columns of equal length; row i is step `first + i`.

    at: end of the step, seconds since the file's hello. dt: wall time since the end of the step before (None for the
    first). wait: seconds of dt spent waiting in a DataLoader's next. lr: of the first parameter group of the step's
    first optimizer. micro: backward calls in the step. samples: rows of the batches that were pulled (None without
    a loader). loss: series index (as a string) to the mean over the step's backward calls, None where there was
    none; AMP's scale is divided out. grad_norm: total gradient norm, only on sampled steps.
    wait, lr, micro, samples and grad_norm may have one value that stands for all rows (the reader spreads it out).
    """

    kind: ClassVar[str] = "steps"
    t: float
    first: int
    at: list[float]
    dt: list[Number]
    wait: list[Number]
    lr: list[Number]
    micro: list[int]
    samples: list[Optional[int]]
    loss: dict[str, list[Number]] = field(default_factory=dict)
    grad_norm: list[Number] = field(default_factory=list)


@dataclass(frozen=True)
class Gradients:
    """Per-parameter facts of a sampled step, by columns aligned with `p`, read right before the optimizer's step.

    norm, max_abs: of the whole gradient (local shard), None where the parameter has no gradient. zeros: share of
    exact zeros in a strided subsample. nonfinite: count of NaN and Inf (exact when norm is not finite, else 0).
    weight: norm of the weights before the step. update: |Δw|/|w| over the subsample, None where it could not be read.
    total: norm over all parameters of this optimizer.
    """

    kind: ClassVar[str] = "gradients"
    t: float
    step: int
    optimizer: int
    p: list[int]
    norm: list[Number]
    max_abs: list[Number]
    zeros: list[Number]
    nonfinite: list[int]
    weight: list[Number]
    update: list[Number]
    total: Number = None


@dataclass(frozen=True)
class Call:
    """One call of the training loop: zero_grad, backward, clip, step, schedule (a scheduler's step), and of a gradient
    scaler scale, unscale, scaled_step. `of` is the optimizer's or the series' index."""

    op: str
    of: Optional[int] = None
    where: Optional[Where] = None


@dataclass(frozen=True)
class Clearing:
    """How one optimizer's gradients went through one step. Norms are None where all gradients were None.

    before: at each backward's start since this optimizer's previous step; after: when the last backward of the step
    had returned; at_step: right before the optimizer read them; previous: at_step of its previous step.
    """

    optimizer: int
    backwards: int
    before: list[Number]
    after: Number
    at_step: Number
    previous: Number = None
    held: int = 0  # parameters the optimizer holds that require a gradient
    with_gradient: int = 0  # of these, how many had a gradient at the step


@dataclass(frozen=True)
class Order:
    """The calls of one sampled step in order, and what they did to the gradients. optimizer -1: updated by hand."""

    kind: ClassVar[str] = "order"
    t: float
    step: int
    calls: list[Call]
    clearing: list[Clearing] = field(default_factory=list)


@dataclass(frozen=True)
class Mode:
    """A module whose behaviour depends on training mode. trains: some of its or its root's parameters get gradients
    under it (a frozen backbone has none)."""

    name: str
    cls: str
    training: bool
    p: Number = None
    trains: bool = True


@dataclass(frozen=True)
class Modes:
    """Mode-sensitive modules (Dropout with p > 0, BatchNorm…) as they stood at a backward; written when they change.

    `where` is the backward's line; `switched` the user's last call of train()/eval(), where it was seen.
    root_training: the root's own flag.
    """

    kind: ClassVar[str] = "modes"
    t: float
    step: int
    root_training: bool
    modules: list[Mode]
    where: Optional[Where] = None
    switched: Optional[Where] = None


@dataclass(frozen=True)
class GraphNode:
    """A node near the root of the autograd graph. op: its class name ("NllLossBackward0"). inputs: indices into the
    event's `nodes` (-1: beyond what was kept). saved: small saved attributes (`reduction`, `dim`, `training`) and
    shapes of saved tensors as lists."""

    op: str
    inputs: list[int]
    saved: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LossFacts:
    """What the loss node saved. classes: width of the class dimension, None for other losses.

    input_row_sum / input_min / input_max: of what was handed to the loss function, where the graph keeps it (softmax
    output handed to cross_entropy: rows sum to 1). spread: mean over rows of (max − min) of the log-probabilities:
    a softmax in front keeps it at 1 or below. labels: class to count, at most 1,000 classes.
    """

    op: str
    prediction: Optional[TensorFacts] = None
    target: Optional[TensorFacts] = None
    classes: Optional[int] = None
    reduction: Optional[int] = None
    ignore_index: Optional[int] = None
    weighted: bool = False
    label_smoothing: Number = None
    input_row_sum: Number = None
    input_min: Number = None
    input_max: Number = None
    spread: Number = None
    labels: dict[str, int] = field(default_factory=dict)
    accuracy: Number = None  # share of rows whose most probable class is the target; None for other losses


@dataclass(frozen=True)
class Graph:
    """The autograd graph of one backward, read before it ran. nodes[0] is the root; at most 96 are kept.

    ops: how often each op occurs in the whole graph. reached: parameters the loss reaches. loose: leaves reached that
    no root module knows. truncated: the walk was cut at 20,000 nodes. value: the loss (AMP's scale divided out).
    root_shape: [] for a scalar. has_graph is false for a loss without grad_fn.
    """

    kind: ClassVar[str] = "graph"
    t: float
    step: int
    series: int
    value: Number
    root_shape: list[int]
    nodes: list[GraphNode]
    ops: dict[str, int] = field(default_factory=dict)
    reached: list[int] = field(default_factory=list)
    loose: int = 0
    truncated: bool = False
    has_graph: bool = True
    losses: list[LossFacts] = field(default_factory=list)


@dataclass(frozen=True)
class Loader:
    """A DataLoader that was iterated. length None: not known (iterable data). sampler: its class name."""

    kind: ClassVar[str] = "loader"
    t: float
    loader: int
    dataset: str
    length: Optional[int] = None
    samples: Optional[int] = None
    batch_size: Optional[int] = None
    workers: int = 0
    sampler: str = ""
    pin_memory: bool = False
    drop_last: bool = False
    where: Optional[Where] = None


@dataclass(frozen=True)
class Batch:
    """A batch as the script got it: first of each loader, then now and then. loader -1: no loader, read off what the
    root module was called with."""

    kind: ClassVar[str] = "batch"
    t: float
    step: int
    loader: int
    tensors: list[NamedTensor]
    structure: str = ""
    wait: Number = None


@dataclass(frozen=True)
class Activation:
    """One module call in a sampled step, in call order. inputs and outputs: shapes of the tensors. output: statistics
    of the first output tensor."""

    module: str
    cls: str
    inputs: list[list[int]]
    outputs: list[list[int]]
    output: Optional[TensorFacts] = None
    leaf: bool = True


@dataclass(frozen=True)
class Activations:
    """Module calls of one forward of a sampled step. The first one of a run is the shape trace."""

    kind: ClassVar[str] = "activations"
    t: float
    step: int
    modules: list[Activation]
    truncated: bool = False


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation pass: batches that went through the model with no backward. step: steps done before it.

    loss: mean over samples; loss_from says how it was got: "criterion" (the script's own loss module or function) or
    "output" (a scalar the model returned) or "computed" (the training loss's formula on output and target). root: that
    of the model's `model` line, the latest one with this number; None where it was not told of yet. accuracy: share
    right, where outputs (B, C, …) meet integer targets (B, …). dropout_on / norm_on: Dropout (p > 0) or BatchNorm
    modules in training mode meanwhile. grad_enabled: gradients were recorded. name: what the script calls it ("val",
    from a variable such as `split`), "" where it does not.
    """

    kind: ClassVar[str] = "evaluation"
    t: float
    step: int
    batches: int
    samples: int
    seconds: float
    loader: int = -1
    loss: Number = None
    loss_from: str = ""
    accuracy: Number = None
    dropout_on: int = 0
    norm_on: int = 0
    grad_enabled: bool = False
    where: Optional[Where] = None
    name: str = ""
    forwards: int = 0  # calls of the model in it
    root_training: bool = True  # the model's own flag; of several, whether any was in training mode
    root: Optional[int] = None


@dataclass(frozen=True)
class Bar:
    """A progress bar's state (tqdm, rich). bar: id in this process. position: nesting depth. closed: it is done."""

    kind: ClassVar[str] = "bar"
    t: float
    bar: int
    desc: str
    n: float
    total: Optional[float] = None
    unit: str = "it"
    rate: Optional[float] = None
    elapsed: Optional[float] = None
    postfix: str = ""
    position: int = 0
    closed: bool = False


@dataclass(frozen=True)
class ScalarRow:
    """One value that the script logged by itself. step None: it gave none."""

    tag: str
    value: Number
    step: Optional[int] = None


@dataclass(frozen=True)
class Scalars:
    """Values handed to a logger. source: tensorboard, wandb, lightning, transformers. at: our step count."""

    kind: ClassVar[str] = "scalars"
    t: float
    source: str
    at: int
    rows: list[ScalarRow]


@dataclass(frozen=True)
class Memory:
    """torch's caching allocator on one device, bytes. peak: of allocated, since the process started."""

    kind: ClassVar[str] = "memory"
    t: float
    step: int
    device: str
    allocated: int
    reserved: int
    peak: int
    uuid: str = ""


@dataclass(frozen=True)
class Frame:
    """A frame of a traceback, outermost first. user: the file is the user's own (not the standard library, not
    site-packages). tensors: those among the frame's locals (and self's attributes)."""

    where: Where
    user: bool = False
    tensors: list[NamedTensor] = field(default_factory=list)


@dataclass(frozen=True)
class FailingModule:
    """The innermost module whose forward was running. parameters: its own, with shapes."""

    name: str
    cls: str
    options: str = ""
    parameters: list[NamedTensor] = field(default_factory=list)
    inputs: list[NamedTensor] = field(default_factory=list)


@dataclass(frozen=True)
class Crash:
    """An exception that ended the process. phase: forward, backward, step, data, evaluation or other."""

    kind: ClassVar[str] = "crash"
    t: float
    step: int
    type: str
    message: str
    frames: list[Frame]
    phase: str = "other"
    module: Optional[FailingModule] = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Governor:
    """What the probes cost and how they were thinned. budget and overhead are shares of the training's own time.

    every: sampled steps are this many steps apart at present. sampled, skipped: per instrument, times it ran or was
    due and left out. seconds: per instrument, time spent so far. steps, step_seconds: what overhead is measured
    against.
    """

    kind: ClassVar[str] = "governor"
    t: float
    step: int
    budget: float
    overhead: float
    every: int
    steps: int
    step_seconds: float
    sampled: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Heartbeat:
    """Written about once a second while the process lives. since: seconds since the last completed step."""

    kind: ClassVar[str] = "heartbeat"
    t: float
    step: int
    phase: str
    since: float
    backwards: int = 0  # backward calls since the last completed step


@dataclass(frozen=True)
class ProbeError:
    """A probe failed and switched itself off; training went on."""

    kind: ClassVar[str] = "probe_error"
    t: float
    probe: str
    error: str
    trace: str = ""


@dataclass(frozen=True)
class Control:
    """The training answered a request at a step boundary: paused, resumed, stepped."""

    kind: ClassVar[str] = "control"
    t: float
    step: int
    action: str


@dataclass(frozen=True)
class Stage:
    """What a stage of a rehearsal does inside the process.

    action: "begin"; "change" (detail says what was made different: "lr held at 0.001"); "end" (the stage ended the
    script: reason is "steps", "certain", "time" or "not applicable"). name: smoke, repeat, engine, overfit, lr, subset.
    """

    kind: ClassVar[str] = "stage"
    t: float
    name: str
    action: str
    step: int = 0
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class StageData:
    """Training data that a stage put in the place of the script's own.

    how: "repeated" (one real batch again and again) or "synthetic". source: "loader" or "replay" (no DataLoader: random
    states and indexing are replayed). tensors: the batch by leaf. roles: path → input, labels, tokens, values, mask,
    as it is. trouble: why it could not be done, "" where it was. looks, same: how often it was looked at whether the
    model was given the same batch, and how often it was.
    """

    kind: ClassVar[str] = "stage_data"
    t: float
    step: int
    how: str
    source: str
    tensors: list[NamedTensor] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    looks: int = 0
    same: int = 0


@dataclass(frozen=True)
class LossFloor:
    """The smallest value that a loss can take for the targets it had, read off its graph.

    value None: cannot be known, `how` says why. how: "hard labels", "label smoothing 0.1 over 10 classes"…
    """

    kind: ClassVar[str] = "loss_floor"
    t: float
    step: int
    series: int
    value: Number
    how: str


@dataclass(frozen=True)
class Checkpoint:
    """A file that the script saved during a rehearsal and that was loaded back.

    path: as the script named it. stored: where it lies, relative to the run folder. weights_only: it loads with
    torch.load(weights_only=True). loads: it loads at all. error: why not.
    """

    kind: ClassVar[str] = "checkpoint"
    t: float
    step: int
    path: str
    stored: str
    bytes: int
    loads: bool
    weights_only: bool
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class End:
    """The process left in an orderly way (atexit). Not written when it was killed."""

    kind: ClassVar[str] = "end"
    t: float
    step: int


# ---------------------------------------------------------------- written by the supervisor (host.jsonl)


@dataclass(frozen=True)
class Launch:
    """The child was started. pid: of the command itself."""

    kind: ClassVar[str] = "launch"
    t: float
    pid: int
    command: list[str]


@dataclass(frozen=True)
class ProcessRow:
    """One process of the training's tree. cpu: share of one core, 1.0 is a full core. rss: bytes.

    blocked: when it was looked at it waited for a disk or a file system in the network (state D of the kernel).
    """

    pid: int
    name: str
    cpu: float
    rss: int
    threads: int = 1
    blocked: bool = False


@dataclass(frozen=True)
class Gpu:
    """One GPU through NVML. None: this device or driver does not offer the value. used, own, total: bytes.

    own: memory of the training's processes, None where the driver does not tell. utilisation: share of the last
    sampling period in which a kernel ran (not how full the device was). throttle: reasons in words. Clocks are in MHz;
    sm_clock_max: the highest that the device offers.
    """

    uuid: str
    index: int
    name: str
    total: Optional[int] = None
    used: Optional[int] = None
    own: Optional[int] = None
    utilisation: Number = None
    power: Number = None
    power_limit: Number = None
    temperature: Number = None
    sm_clock: Number = None
    memory_clock: Number = None
    throttle: list[str] = field(default_factory=list)
    error: str = ""
    sm_clock_max: Number = None


@dataclass(frozen=True)
class Host:
    """The machine, about once a second. cpu: share of all cores. gpu_note: one line when there is no NVIDIA GPU.

    iowait: share of all cores that had nothing to do but wait for a disk; None where the system does not tell.
    """

    kind: ClassVar[str] = "host"
    t: float
    cpu: float
    cores: int
    ram_used: int
    ram_total: int
    load: float = 0.0
    disk_free: Optional[int] = None
    disk_read: Number = None  # bytes per second, whole machine
    disk_write: Number = None
    processes: list[ProcessRow] = field(default_factory=list)
    gpus: list[Gpu] = field(default_factory=list)
    gpu_note: str = ""
    iowait: Number = None


@dataclass(frozen=True)
class Output:
    """output.log has grown to `offset` bytes."""

    kind: ClassVar[str] = "output"
    t: float
    offset: int


@dataclass(frozen=True)
class Signal:
    """The supervisor sent a signal to the training. reason: who asked."""

    kind: ClassVar[str] = "signal"
    t: float
    signal: str
    reason: str = ""


@dataclass(frozen=True)
class Exit:
    """The child ended. code: as a shell would report it (128+n on signal n). signal: its name, "" without one.

    recorded False: the log was made of another tool's, which ends here and knows of no exit code; code is 0 then.
    """

    kind: ClassVar[str] = "exit"
    t: float
    code: int
    seconds: float
    signal: str = ""
    recorded: bool = True


Event = Union[
    Hello, Phase, Model, Optimizer, Series, Steps, Gradients, Order, Modes, Graph, Loader, Batch, Activations,
    Evaluation, Bar, Scalars, Memory, Crash, Governor, Heartbeat, ProbeError, Control, Stage, StageData,
    LossFloor, Checkpoint, End, Launch, Host, Output, Signal, Exit,
]  # fmt: skip

KINDS: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        Hello, Phase, Model, Optimizer, Series, Steps, Gradients, Order, Modes, Graph, Loader, Batch, Activations,
        Evaluation, Bar, Scalars, Memory, Crash, Governor, Heartbeat, ProbeError, Control, Stage,
        StageData, LossFloor, Checkpoint, End, Launch, Host, Output, Signal, Exit,
    )
}  # fmt: skip
