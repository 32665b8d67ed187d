"""The machine: the last host sample and short histories."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dlmon.state.snapshot import MachineView
from dlmon_probes import events

HISTORY = 240  # samples: four minutes at one a second


def _history() -> deque[float]:
    return deque(maxlen=HISTORY)


class Machine:
    """Fold of `host` events."""

    def __init__(self) -> None:
        self._host: events.Host | None = None
        self._cpu, self._ram = _history(), _history()
        self._utilisation: dict[str, deque[float]] = {}
        self._memory: dict[str, deque[float]] = {}
        self._view: MachineView | None = None

    def host(self, event: events.Host) -> None:
        self._host, self._view = event, None
        self._cpu.append(event.cpu)
        self._ram.append(event.ram_used / max(1, event.ram_total))
        for gpu in event.gpus:
            if gpu.utilisation is not None:
                self._utilisation.setdefault(gpu.uuid, _history()).append(gpu.utilisation)
            if gpu.used is not None and gpu.total:
                self._memory.setdefault(gpu.uuid, _history()).append(gpu.used / gpu.total)

    def view(self, torch: Sequence[events.Memory]) -> MachineView:
        """ram and gpu_memory histories are shares of the total. torch: the allocators of the training processes."""
        if self._view is None or tuple(self._view.torch) != tuple(torch):
            self._view = MachineView(
                host=self._host,
                cpu=tuple(self._cpu),
                ram=tuple(self._ram),
                gpu_utilisation={uuid: tuple(values) for uuid, values in self._utilisation.items()},
                gpu_memory={uuid: tuple(values) for uuid, values in self._memory.items()},
                torch=tuple(torch),
            )
        return self._view
