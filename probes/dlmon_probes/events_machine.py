"""Kinds of lines in a run's log that speak of the machine, the ranks, and crashes.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlmon_probes.events import NamedTensor, Where


@dataclass(frozen=True)
class LastBatch:
    """The batch that was trained on when a CUDA kernel failed, as it lay on the host. Written beside a Crash whose
    device can no longer be asked. loader: as in Batch."""

    kind: ClassVar[str] = "last_batch"
    t: float
    step: int
    loader: int
    tensors: list[NamedTensor] = field(default_factory=list)


@dataclass(frozen=True)
class Usage:
    """Memory of this process, bytes: rss on the host; on its devices together what tensors hold (allocated), what
    torch's allocator keeps (reserved), and what of that is free but in pieces (split).

    retries: times the allocator gave back what it kept and asked again. limit: of the control group, 0 without one.
    """

    kind: ClassVar[str] = "usage"
    t: float
    step: int
    rss: int
    allocated: int = 0
    reserved: int = 0
    split: int = 0
    retries: int = 0
    limit: int = 0


@dataclass(frozen=True)
class Checksum:
    """Bits of the weights before an optimizer's step, summed up, one sum per parameter (`p`, see Model); only where
    several processes train together. sizes: sums of the same weights' absolute values. Both over at most 4,096
    elements. rank, world: of the process group. replicated: DistributedDataParallel keeps the weights equal."""

    kind: ClassVar[str] = "checksum"
    t: float
    step: int
    optimizer: int
    rank: int
    world: int
    p: list[int]
    sums: list[int]
    sizes: list[float]
    replicated: bool = False


@dataclass(frozen=True)
class Pace:
    """Seconds of a sampled step in one of several processes: from the last step's end to the first backward (where no
    process waits for another), and in all."""

    kind: ClassVar[str] = "pace"
    t: float
    step: int
    rank: int
    before_backward: float
    whole: float


@dataclass(frozen=True)
class Place:
    """The innermost line of the user's code that the thread that trains was in, as looked at every 2 s; written when
    it was another one than at the look before."""

    kind: ClassVar[str] = "place"
    t: float
    step: int
    where: Where


EVENTS: tuple[type[Any], ...] = (LastBatch, Usage, Checksum, Pace, Place)
