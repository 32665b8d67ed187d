"""Kinds of lines about watch conditions and about what a paused training was doing; for the rules see events.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional, Union

from dlmon_probes.events import Number, TensorFacts


@dataclass(frozen=True)
class Watched:
    """A watch condition was met, or could not be acted on. In the supervisor's log.

    action: "break", "stop" or "trouble". text: what was done and why, in one line. reason: the why of it alone.
    step: steps done when it was met.
    """

    kind: ClassVar[str] = "watched"
    t: float
    action: str
    text: str
    step: Optional[int] = None
    reason: str = ""


@dataclass(frozen=True)
class Judging:
    """This training process judges these conditions by itself, at every step: their places in the run's watch.json."""

    kind: ClassVar[str] = "judging"
    t: float
    conditions: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Doubtful:
    """One sample of a batch. row: its place in what the loss was given. index: of the data set, None where not known.

    value: in the measure of the Break. target: what the loss wanted, predicted: the most probable class, or the
    prediction; None where a sample has several.
    """

    row: int
    value: Number
    index: Optional[int] = None
    target: Union[float, None] = None
    predicted: Union[float, None] = None


@dataclass(frozen=True)
class Break:
    """What the step before a pause was computed from. Written when a condition is met or somebody asked for a pause.

    step: the step that was computed (steps done are one more). condition: its place in watch.json, None where a person
    asked. values: of the facts it speaks of. op: node of the loss. measure: "probability" that the model gave the
    target (lowest first), "error" (squared, largest first), or "" where the samples are not known. rows: how many there
    were. loader: of the batch they came from, None where that is not known.
    """

    kind: ClassVar[str] = "break"
    t: float
    step: int
    condition: Optional[int] = None
    values: dict[str, Number] = field(default_factory=dict)
    op: str = ""
    measure: str = ""
    rows: int = 0
    samples: list[Doubtful] = field(default_factory=list)
    loader: Optional[int] = None
    prediction: Optional[TensorFacts] = None
    target: Optional[TensorFacts] = None


EVENTS: tuple[type[Any], ...] = (Watched, Judging, Break)
