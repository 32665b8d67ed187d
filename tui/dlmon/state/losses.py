"""The columns of the `steps` blocks of one process: loss series, and the last step times."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from dlmon.state.evaluation_names import PassNames
from dlmon.state.series import Series
from dlmon.state.snapshot import SeriesView, Timing
from dlmon.state.step_clock import StepClock
from dlmon_probes import events

WINDOW = 512  # steps over which times are judged
MOST_SERIES = 200  # per process: more lines than any chart can tell apart
BUCKETS_OF_OTHERS = 256  # only the leading process's losses are drawn large

ROWS = ("dt", "wait", "lr", "micro", "samples")


class StepColumns:
    """Fold of `steps` and `series` events, and of the scalars and evaluations that share the chart with them."""

    def __init__(self, most_buckets: int) -> None:
        self._most = most_buckets
        self._sites: dict[int, events.Series] = {}
        self._series: dict[tuple[str, str], Series] = {}
        self._blocks: deque[tuple[int, events.Steps]] = deque()  # (rows, block): those of the last 512 steps
        self._held = 0  # rows in them
        self.step = 0  # completed steps
        self.lr: float | None = None
        self.first_end: float | None = None  # unix seconds of the first and the last step's end
        self.last_end: float | None = None
        self.clock = StepClock()
        self.passes = PassNames()
        self.first_step = 0
        self._timing: Timing | None = Timing()

    @property
    def sites(self) -> Mapping[int, events.Series]:
        return self._sites

    def site(self, event: events.Series) -> None:
        self._sites[event.series] = event
        series = self._series.get(("loss", str(event.series)))
        if series is not None:
            series.rename(event.name, event.where)

    def steps(self, event: events.Steps, origin: float) -> None:
        """A block. origin: unix seconds that its `at` counts from."""
        size = len(event.at)
        if not size or event.first < 0:
            return
        for key, values in event.loss.items():
            self._loss(key).extend(event.first, values[:size])
        self._hold(size, event)
        self._grad_norm(event, size)
        self.lr = next((lr for lr in reversed(event.lr[:size]) if lr is not None), self.lr)
        if self.first_end is None:
            self.first_end, self.first_step = origin + event.at[0], event.first
        self.last_end = origin + event.at[-1]
        self.clock.block(event.first, origin + event.at[0], self.last_end, size)
        self.step = max(self.step, event.first + size)
        self._timing = None

    def _hold(self, size: int, event: events.Steps) -> None:
        """Keep the block as it came: its columns are put together when they are looked at, which is rarer."""
        blocks = self._blocks
        blocks.append((size, event))
        self._held += size
        while self._held - blocks[0][0] >= WINDOW:
            self._held -= blocks.popleft()[0]

    def _column(self, name: str) -> tuple[Any, ...]:
        """The last 512 values."""
        found: list[Any] = []
        for size, event in self._blocks:
            found += getattr(event, name)[:size]
        return tuple(found[-WINDOW:])

    def _grad_norm(self, event: events.Steps, size: int) -> None:
        norms = event.grad_norm[:size]
        if norms.count(None) < len(norms):
            self._get("gradient norm", "gradient norm").extend(event.first, norms)

    def scalars(self, event: events.Scalars) -> None:
        known, source, at = self._series, event.source, event.at
        for row in event.rows:
            if row.value is not None:
                series = known.get((source, row.tag)) or self._get(source, row.tag)
                series.append(at, row.value)

    def evaluation(self, event: events.Evaluation) -> None:
        label = self.passes.of(event).label
        if event.loss is not None:
            self._get("evaluation", f"{label} loss", event.where).append(event.step, event.loss)
        if event.accuracy is not None:
            self._get("evaluation", f"{label} accuracy", event.where).append(event.step, event.accuracy)

    def _loss(self, key: str) -> Series:
        site = self._sites.get(int(key)) if key.isdigit() and len(key) < 10 else None
        series = self._get("loss", key)
        if site is not None and series.name != site.name:
            series.rename(site.name, site.where)
        return series

    def _get(self, source: str, key: str, where: events.Where | None = None) -> Series:
        series = self._series.get((source, key))
        if series is None:
            name = f"loss {key}" if source == "loss" else key
            series = Series(name, source, where, self._most)
            if len(self._series) < MOST_SERIES:
                self._series[source, key] = series
        return series

    def views(self) -> tuple[SeriesView, ...]:
        return tuple(series.view() for series in self._series.values())

    def rows(self) -> dict[str, tuple[Any, ...]]:
        return {name: self._column(name) for name in ROWS}

    def timing(self) -> Timing:
        if self._timing is None:
            self._timing = _timing(*map(self._column, ("dt", "wait", "samples")))
        return self._timing


def _timing(dt: Sequence[float | None], wait: Sequence[float | None], samples: Sequence[int | None]) -> Timing:
    known = [value for value in dt if value is not None and value >= 0 and value < float("inf")]
    if not known:
        return Timing()
    total = sum(known)
    waited = sum(w for w, value in zip(wait, dt, strict=False) if w is not None and value is not None)
    counted = [(n, value) for n, value in zip(samples, dt, strict=False) if n is not None and value is not None]
    sample_seconds = sum(value for _, value in counted)
    return Timing(
        median=median(known),
        p95=quantiles(known, n=20)[-1] if len(known) > 1 else known[0],
        rate=len(known) / total if total > 0 else None,
        samples_rate=sum(n for n, _ in counted) / sample_seconds if counted and sample_seconds > 0 else None,
        wait_share=min(1.0, max(0.0, waited / total)) if total > 0 and any(w is not None for w in wait) else None,
    )
