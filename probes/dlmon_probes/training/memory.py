"""torch's caching allocator, once a second, from the writing thread: host-side counters, no synchronisation."""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any

from dlmon_probes import events
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

SECONDS = 1.0


class MemoryProbe:
    """Writes a Memory event for each device this process has memory on. Never initialises CUDA."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._next = 0.0
        self._peaks: dict[int, int] = {}
        self._uuids: dict[int, str] = {}

    def collect(self) -> None:
        now = perf_counter()
        if now < self._next or not self._agent.training:
            return
        cuda = tensors.torch_module().cuda
        if not cuda.is_initialized():
            return
        self._next = now + SECONDS
        for device in range(cuda.device_count()):
            self._tell(cuda, device)

    def _tell(self, cuda: Any, device: int) -> None:
        counters = cuda.memory_stats(device)
        reserved = counters.get("reserved_bytes.all.current", 0)
        peak = max(self._peaks.get(device, 0), counters.get("allocated_bytes.all.peak", 0))  # the user may reset it
        if not reserved and not peak:
            return
        self._peaks[device] = peak
        if device not in self._uuids:
            self._uuids[device] = _uuid(cuda, device)
        self._agent.emit(
            events.Memory(
                t=time.time(), step=self._agent.step, device=f"cuda:{device}",
                allocated=counters.get("allocated_bytes.all.current", 0), reserved=reserved, peak=peak,
                uuid=self._uuids[device],
            )
        )  # fmt: skip


def _uuid(cuda: Any, device: int) -> str:
    """As NVML writes it: `GPU-…`; "" where this torch does not tell."""
    uuid = str(getattr(cuda.get_device_properties(device), "uuid", ""))
    return uuid if not uuid or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def install(agent: Agent, _loop: Loop) -> None:
    agent.channel.add_source("memory", MemoryProbe(agent).collect)
