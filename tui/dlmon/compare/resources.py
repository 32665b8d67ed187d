"""What the runs cost: time, throughput, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dlmon import text
from dlmon.compare import noise
from dlmon.compare.metrics import Metric, Reading
from dlmon.compare.side import Side

STEP_TIME = "step time"
SECONDS, PER_SECOND, BYTES, SHARE, COUNT = "seconds", "per second", "bytes", "share", "count"
_SHOW: dict[str, Callable[[float | None], str]] = {
    SECONDS: text.duration, PER_SECOND: lambda value: text.MISSING if value is None else f"{text.number(value)}/s",
    BYTES: text.size, SHARE: text.percent, COUNT: text.count,
}  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """A row with the unit of its numbers."""

    metric: Metric
    unit: str

    def shown(self, value: float | None) -> str:
        return _SHOW[self.unit](value)


def resources(sides: Sequence[Side]) -> list[Resource]:
    """Rows of which at least one run knows the number."""
    rows = [
        _row("steps", COUNT, sides, lambda side: side.snapshot.step or None),
        _row("run time", SECONDS, sides, lambda side: side.snapshot.elapsed or None),
        Resource(Metric(STEP_TIME, "median of the last 512", [_step_time(side) for side in sides], False), SECONDS),
        _row("samples", PER_SECOND, sides, lambda side: side.snapshot.timing.samples_rate),
        _row("waiting for data", SHARE, sides, lambda side: side.snapshot.timing.wait_share),
        _row("GPU memory (torch, peak)", BYTES, sides, _torch_peak),
        _row("GPU memory (device, peak)", BYTES, sides, lambda side: side.gpu),
        _row("main memory (peak)", BYTES, sides, lambda side: side.rss),
    ]
    return [row for row in rows if any(reading.value is not None for reading in row.metric.readings)]


def _row(name: str, unit: str, sides: Sequence[Side], read: Callable[[Side], float | None]) -> Resource:
    """Without a word on what is better: nothing tells how noisy these numbers are."""
    return Resource(Metric(name, "", [Reading(read(side)) for side in sides]), unit)


def _step_time(side: Side) -> Reading:
    facts = side.snapshot.leader
    times = [value for value in (facts.rows.get("dt", ()) if facts else ()) if value is not None and value >= 0]
    return Reading(side.snapshot.timing.median, noise.settled(times)[1])


def _torch_peak(side: Side) -> float | None:
    peaks = [row.peak for row in side.snapshot.machine.torch if row.device != "cpu"]
    return max(peaks, default=None)
