"""The machine: the last host sample and short histories."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

from dlmon.state.snapshot import MachineView
from dlmon_probes import events

HISTORY = 240  # samples: four minutes at one a second

T = TypeVar("T")


def _history() -> deque[float]:
    return deque(maxlen=HISTORY)


class Machine:
    """Fold of `host` events."""

    def __init__(self) -> None:
        self._host: events.Host | None = None
        self._cpu, self._ram = _history(), _history()
        self._utilisation: dict[str, deque[float]] = {}
        self._memory: dict[str, deque[float]] = {}
        self._blocked, self._iowait = _history(), _history()
        self._clock: dict[str, deque[float]] = {}
        self._throttle: dict[str, deque[Sequence[str]]] = {}
        self._view: MachineView | None = None

    def host(self, event: events.Host) -> None:
        self._host, self._view = event, None
        self._cpu.append(event.cpu)
        self._ram.append(event.ram_used / max(1, event.ram_total))
        self._blocked.append(float(any(row.blocked for row in event.processes)))
        if event.iowait is not None:
            self._iowait.append(event.iowait)
        for gpu in event.gpus:
            self._speed(gpu)
            if gpu.utilisation is not None:
                self._utilisation.setdefault(gpu.uuid, _history()).append(gpu.utilisation)
            if gpu.used is not None and gpu.total:
                self._memory.setdefault(gpu.uuid, _history()).append(gpu.used / gpu.total)

    def _speed(self, gpu: events.Gpu) -> None:
        self._throttle.setdefault(gpu.uuid, deque(maxlen=HISTORY)).append(tuple(gpu.throttle))
        if gpu.sm_clock is not None and gpu.sm_clock_max:
            self._clock.setdefault(gpu.uuid, _history()).append(gpu.sm_clock / gpu.sm_clock_max)

    def view(self, torch: Sequence[events.Memory]) -> MachineView:
        """ram and gpu_memory histories are shares of the total. torch: the allocators of the training processes."""
        if self._view is None or tuple(self._view.torch) != tuple(torch):
            self._view = MachineView(
                host=self._host,
                cpu=tuple(self._cpu),
                ram=tuple(self._ram),
                gpu_utilisation=_kept(self._utilisation),
                gpu_memory=_kept(self._memory),
                torch=tuple(torch),
                blocked=tuple(self._blocked),
                iowait=tuple(self._iowait),
                gpu_clock=_kept(self._clock),
                gpu_throttle=_kept(self._throttle),
            )
        return self._view


def _kept(histories: Mapping[str, deque[T]]) -> dict[str, tuple[T, ...]]:
    return {uuid: tuple(values) for uuid, values in histories.items()}
