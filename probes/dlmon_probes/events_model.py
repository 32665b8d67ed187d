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
    of those there are. risky: operation → how often it occurs, of those whose derivative may be infinite.
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


@dataclass(frozen=True)
class UnitRow:
    """The outputs of one activation function. number: its place among those of the graph. after: the layer before it.

    units: size of the unit dimension. dead: units that were never above zero in any look (ReLU only). saturated: share
    of elements whose derivative is below 1 % of its largest. rows, looks: samples and looks so far. last: no layer
    lies between it and the loss.
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


EVENTS: tuple[type[Any], ...] = (
    Origin, Units, GraphSize, Predictions, Terms, History, EqualRows, FunctionalDropout,
)  # fmt: skip
