"""Kinds of lines in a run's log that speak of the model and its loss: modules, activations, terms.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from dlmon_probes.events import NamedTensor, Number, Where


@dataclass(frozen=True)
class Origin:
    """Where values that are not finite came into a forward, read off the autograd graph before its backward ran.

    how: "op" (an operation made them out of finite inputs), "input" (a tensor without history brought them: a batch, a
    constant), "weights" (parameters were not finite before this forward), "gradient" (the loss is finite, and an
    operation's derivative is infinite at the value it had), "unknown". op: the operation's node class. layer: the
    module whose parameters it uses itself, "" for none. after: the nearest modules below it. tensors: what it kept of
    inputs (`self`, `other`…) and result. weights: parameters of the layer, or those that are not finite. bad: how many
    of those there are. risky: operation → how often it occurs, of those whose derivative may be infinite. indices: of
    the data set, of the samples in the batch that hold values that are not finite, and where there are none (broken
    False) of the whole batch; at most 64; None where they are not known. loader: of that batch.
    """

    kind: ClassVar[str] = "origin"
    t: float
    step: int
    series: int
    value: Number
    how: str
    op: str = ""
    layer: str = ""
    after: list[str] = field(default_factory=list)
    tensors: list[NamedTensor] = field(default_factory=list)
    weights: list[NamedTensor] = field(default_factory=list)
    bad: int = 0
    risky: dict[str, int] = field(default_factory=dict)
    loader: Optional[int] = None
    indices: Optional[list[int]] = None
    broken: bool = False


@dataclass(frozen=True)
class UnitRow:
    """The outputs of one activation function. number: its place among those of the graph. after: the layer before it.

    units: size of the unit dimension. dead: units that were never above zero in any look (ReLU only). saturated: share
    of elements whose derivative is below 1 % of its largest. rows, looks: samples and looks so far. last: no layer
    lies between it and the loss. silent: units that were not above zero in any of the last `recent_looks` looks (ReLU
    only), which took in recent_rows samples, the first of them at step recent_since.
    """

    op: str
    number: int
    after: str
    units: int
    rows: int
    looks: int
    dead: Optional[int] = None
    saturated: Number = None
    last: bool = False
    gate: bool = False  # its result is multiplied with something
    silent: Optional[int] = None
    recent_rows: int = 0
    recent_looks: int = 0
    recent_since: int = 0


@dataclass(frozen=True)
class Units:
    """What the activation functions in one graph gave."""

    kind: ClassVar[str] = "units"
    t: float
    step: int
    series: int
    rows: list[UnitRow]


@dataclass(frozen=True)
class GraphSize:
    """How many nodes the graph of a backward had; not written for graphs of 4,000 and more."""

    kind: ClassVar[str] = "graph_size"
    t: float
    step: int
    series: int
    nodes: int


@dataclass(frozen=True)
class Predictions:
    """How much a loss's predictions differ between the rows of a batch.

    spread: mean over columns of the standard deviation over rows, divided by the mean magnitude. target_spread: the
    same of the targets.
    """

    kind: ClassVar[str] = "predictions"
    t: float
    step: int
    series: int
    op: str
    rows: int
    columns: int
    spread: Number = None
    target_spread: Number = None


@dataclass(frozen=True)
class Term:
    """A summand of the loss that has a name in the program. value: the tensor's; factor: what it is multiplied by."""

    name: str
    value: Number
    factor: float = 1.0


@dataclass(frozen=True)
class Terms:
    """The named summands of a loss, as they stood at its backward."""

    kind: ClassVar[str] = "terms"
    t: float
    step: int
    series: int
    rows: list[Term]


@dataclass(frozen=True)
class History:
    """A variable beside the loss that holds on to graphs: a running sum, or a list of tensors with history.

    graphs: how many steps' graphs hang on it.
    """

    kind: ClassVar[str] = "history"
    t: float
    step: int
    name: str
    graphs: int
    where: Optional[Where] = None


@dataclass(frozen=True)
class EqualRows:
    """Parameters (by p) of two and more dimensions all of whose rows are equal. looked: how many were compared."""

    kind: ClassVar[str] = "equal_rows"
    t: float
    step: int
    p: list[int]
    looked: int


@dataclass(frozen=True)
class FunctionalDropout:
    """A call of functional dropout in a module's forward that does not say `training=`."""

    kind: ClassVar[str] = "functional_dropout"
    t: float
    cls: str
    call: str
    where: Where


@dataclass(frozen=True)
class StateLoad:
    """A call of a module's load_state_dict. own, given: parameters and buffers of the module, entries of what it got.

    missing, unexpected: names the call found on one side only (strict=False). renamed: how many of the unexpected ones
    fit a missing one when `prefix` is taken from or put in front of them. common, aliased: names on both sides, and
    of these the parameters whose given tensor is the module's own memory. made: step at which what was given was taken
    from the module by state_dict() (None: not known). loads_since: other loads into the module since then.
    """

    kind: ClassVar[str] = "state_load"
    t: float
    step: int
    cls: str
    own: int
    given: int
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    n_missing: int = 0
    n_unexpected: int = 0
    renamed: int = 0
    prefix: str = ""
    common: int = 0
    aliased: int = 0
    made: Optional[int] = None
    loads_since: int = 0
    where: Optional[Where] = None


@dataclass(frozen=True)
class StateFile:
    """Weights that the script read with torch.load before its first backward, as they compare with the model then.

    entries: tensors in it; path: where in what was loaded. matched: names that the model has, with the same shape;
    own: parameters of the model. looked, equal: matched floating tensors whose values were compared, and how many of
    them agreed. used: a module's load_state_dict was called after the file was read.
    """

    kind: ClassVar[str] = "state_file"
    t: float
    step: int
    path: str
    entries: int
    own: int
    matched: int
    looked: int
    equal: int
    used: bool
    where: Optional[Where] = None


@dataclass(frozen=True)
class NextToken:
    """Class targets of a loss beside whole numbers that were embedded: is the target the next token, and do attentions
    see it?

    rows, positions: of the embedded numbers. shifted: share of the targets that equal the number one position on; same:
    that equal the number at their own position. embedded: different tables of numbers that were embedded. ahead: for
    each attention over these positions the share of its weight (where the graph keeps only a mask: of what the mask
    leaves open) that lies on later positions than the one that asks, where that one has a target. backward_rnn: layers
    of recurrent networks that read from the end.
    """

    kind: ClassVar[str] = "next_token"
    t: float
    step: int
    series: int
    rows: int
    positions: int
    shifted: Number
    same: Number
    embedded: int
    ahead: list[Number] = field(default_factory=list)
    backward_rnn: int = 0


@dataclass(frozen=True)
class ExtraForward:
    """smoke only: a module's forward run again between two steps, on copies and in eval mode, with changed inputs.

    module: qualified name, "" for a root. share: of the trainable numbers of all models, those in this module. trouble:
    why nothing was measured, or not all. seconds: what it took. loader: of the batch; rows: samples in it, None where
    the batch's own indices do not tell.

    Differences are the largest change of an output divided by that output's largest value, over all floating outputs.
    same: between two runs on the same inputs. zeroed: floating inputs set to zero (None where there are none, or all
    are constant). rolled: samples moved by one place (None where that changes nothing). gradient: the largest
    magnitude in the gradient of the outputs with respect to floating inputs and embedded numbers. zero_weights:
    weights that are zero throughout.

    judged_rows: the first dimension of inputs and outputs is the samples', and no other is as long. reached: how many
    other samples' inputs the gradient of the first or the last sample's output reaches. order_roll, order_flip: samples
    moved by one place, or in reverse order: difference to the outputs in that same order. time_first: recurrent and
    attention layers with batch_first=False that were given the samples as their first dimension. statistics: a batch
    normalisation took the statistics of the batch.
    """

    kind: ClassVar[str] = "extra_forward"
    t: float
    step: int
    module: str
    cls: str
    share: float
    trouble: str = ""
    seconds: float = 0.0
    loader: Optional[int] = None
    rows: Optional[int] = None
    same: Number = None
    zeroed: Number = None
    rolled: Number = None
    gradient: Number = None
    zero_weights: int = 0
    judged_rows: bool = False
    reached: Optional[int] = None
    order_roll: Number = None
    order_flip: Number = None
    time_first: list[str] = field(default_factory=list)
    statistics: bool = False


EVENTS: tuple[type[Any], ...] = (
    Origin, Units, GraphSize, Predictions, Terms, History, EqualRows, FunctionalDropout, StateLoad, StateFile,
    NextToken, ExtraForward,
)  # fmt: skip
