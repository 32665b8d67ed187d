"""The fold of the machine's samples over a whole run, thinned; a snapshot keeps the last four minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlmon.report.evidence import Machine
from dlmon.state.series import Series
from dlmon.state.snapshot import SeriesView
from dlmon_probes import events

TICKS = 10  # per second: the steps of a history
MOST_GPUS = 64


class MachineFold:
    """Fold of the supervisor's events."""

    def __init__(self) -> None:
        self.launched: float | None = None
        self._cpu, self._ram = Series("CPU", "machine"), Series("RAM", "machine")
        self._processes = Series("training's processes", "machine")
        self._ram_total = 0
        self._names: dict[str, str] = {}
        self._total: dict[str, int] = {}
        self._utilisation: dict[str, Series] = {}
        self._memory: dict[str, Series] = {}
        self._note = ""
        self._importing: float | None = None
        self._imports: float | None = None

    def fold(self, event: Any) -> None:
        if isinstance(event, events.Launch):
            self.launched = event.t
        elif isinstance(event, events.Phase):
            self._phase(event)
        elif isinstance(event, events.Host):
            try:
                self._host(event)
            except (ArithmeticError, ValueError, TypeError):
                return

    def _phase(self, event: events.Phase) -> None:
        if event.name == "importing_torch" and self._importing is None:
            self._importing = event.t
        elif event.name != "importing_torch" and self._importing is not None and self._imports is None:
            self._imports = max(0.0, event.t - self._importing)

    def _host(self, event: events.Host) -> None:
        if self.launched is None:
            self.launched = event.t
        tick = max(0, round((event.t - self.launched) * TICKS))
        self._cpu.append(tick, event.cpu)
        self._ram.append(tick, float(event.ram_used))
        self._ram_total = max(self._ram_total, event.ram_total)
        if event.processes:
            self._processes.append(tick, float(sum(row.rss for row in event.processes)))
        self._note = event.gpu_note or self._note
        for gpu in event.gpus:
            self._gpu(gpu, tick)

    def _gpu(self, gpu: events.Gpu, tick: int) -> None:
        if gpu.uuid not in self._names and len(self._names) >= MOST_GPUS:
            return
        self._names[gpu.uuid] = f"GPU {gpu.index} {gpu.name}".strip()
        if gpu.total is not None:
            self._total[gpu.uuid] = gpu.total
        if gpu.utilisation is not None:
            self._series(self._utilisation, gpu.uuid).append(tick, gpu.utilisation)
        used = gpu.used if gpu.own is None else gpu.own
        if used is not None:
            self._series(self._memory, gpu.uuid).append(tick, float(used))

    def _series(self, among: dict[str, Series], uuid: str) -> Series:
        return among.setdefault(uuid, Series(self._names[uuid], "machine"))

    def result(self) -> Machine:
        return Machine(
            cpu=_view(self._cpu),
            ram=_view(self._ram),
            ram_total=self._ram_total,
            processes=_view(self._processes),
            gpus=dict(self._names),
            gpu_total=dict(self._total),
            utilisation=_views(self._utilisation),
            gpu_memory=_views(self._memory),
            note=self._note,
            imports=self._imports,
        )


def _view(series: Series) -> SeriesView | None:
    view = series.view()
    return view if view.count else None


def _views(among: Mapping[str, Series]) -> dict[str, SeriesView]:
    return {uuid: series.view() for uuid, series in among.items()}
