"""Kinds of lines in a run's log that speak of the loop: optimizers, schedules, clipping, scaling, evaluation.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from dlmon_probes.events import Number, Where


@dataclass(frozen=True)
class Schedule:
    """How a learning-rate scheduler was used so far; written when it changed, in sampled steps and at the end.

    cls: its class; options: plain numbers and words of its settings (T_max, step_size, gamma, mode…). optimizer: index,
    None before that optimizer's first step. calls: of step(), without the one of its construction. at: completed
    optimizer cycles at each of the first 16 calls; last_at: at the last one. metrics: what a
    plateau scheduler was given, the first 16. explicit: an epoch was given. lr: of the first group, now; first_lr:
    before the first call. made: the line that made it; where: the line that calls step(); same_line: the first four
    calls came from there.
    """

    kind: ClassVar[str] = "schedule"
    t: float
    step: int
    schedule: int
    cls: str
    optimizer: Optional[int] = None
    calls: int = 0
    at: list[int] = field(default_factory=list)
    last_at: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    metrics: list[Number] = field(default_factory=list)
    explicit: bool = False
    lr: Number = None
    first_lr: Number = None
    made: Optional[Where] = None
    where: Optional[Where] = None
    same_line: bool = True
    backwards_before: bool = False  # a backward came before the first call


@dataclass(frozen=True)
class IdleOptimizer:
    """An optimizer that was made and has not stepped. p: the parameters it holds."""

    cls: str
    p: list[int]
    where: Optional[Where] = None


@dataclass(frozen=True)
class LoopTotals:
    """What of the loop can only be said over many steps; written at the 3rd, 30th and 99th backward without a step,
    and at the end. waiting: backward calls since the last completed step. moved: whether weights of the idle optimizers
    differ from what they were at the first backward (None: not known)."""

    kind: ClassVar[str] = "loop_totals"
    t: float
    step: int
    waiting: int
    optimizers: int
    idle: list[IdleOptimizer] = field(default_factory=list)
    moved: Optional[bool] = None
    ended: bool = False


@dataclass(frozen=True)
class Beginning:
    """Read once when training began. seed: torch's initial seed; at 2^32 or above nobody has set it (unset ones are
    53 random bits). main: the script's
    file."""

    kind: ClassVar[str] = "beginning"
    t: float
    step: int
    seed: int
    main: str = ""


@dataclass(frozen=True)
class FrozenWeights:
    """Weights that require no gradient, at the first step. Columns aligned with p: root mean square and largest
    absolute value."""

    kind: ClassVar[str] = "frozen_weights"
    t: float
    step: int
    p: list[int]
    rms: list[Number]
    max_abs: list[Number]


EVENTS: tuple[type[Any], ...] = (Schedule, LoopTotals, Beginning, FrozenWeights)
