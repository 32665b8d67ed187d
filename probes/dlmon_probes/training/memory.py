"""torch's caching allocator once a second, and this process's memory on the host: from the writing thread, host-side
counters, no synchronisation."""

from __future__ import annotations

import os
import time
from time import perf_counter
from typing import Any

from dlmon_probes import events
from dlmon_probes.events_machine import Usage
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

SECONDS = 1.0
DENSE = 32  # readings of the host's memory at every quarter second, for short runs; a reading takes 20 µs
SPARSE_SECONDS = 5.0  # between those that follow


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


class UsageProbe:
    """Writes Usage events: dense in the beginning, sparse later."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._next = 0.0
        self._count = 0
        self._page = os.sysconf("SC_PAGE_SIZE") if os.path.exists("/proc/self/statm") else 0
        self._limit = 0

    def collect(self) -> None:
        now = perf_counter()
        agent = self._agent
        if now < self._next or not self._page or not agent.training or agent.phase == "ended":
            return
        if not self._count:
            self._limit = group_limit()
        self._count += 1
        self._next = now + (SECONDS / 4 if self._count < DENSE else SPARSE_SECONDS)
        with open("/proc/self/statm", "rb") as file:
            resident = int(file.read().split()[1]) * self._page
        allocated, reserved, split, retries = _allocator()
        agent.emit(Usage(time.time(), agent.step, resident, allocated, reserved, split, retries, self._limit))


def _allocator() -> tuple[int, int, int, int]:
    """(allocated, reserved, free in pieces: bytes; retries) over all devices. Zeros where CUDA was not initialised."""
    cuda = tensors.torch_module().cuda
    if not cuda.is_initialized():
        return 0, 0, 0, 0
    names = ("allocated_bytes.all.current", "reserved_bytes.all.current", "inactive_split_bytes.all.current",
             "num_alloc_retries")  # fmt: skip
    rows = [cuda.memory_stats(device) for device in range(cuda.device_count())]
    allocated, reserved, split, retries = (sum(int(row.get(name, 0)) for row in rows) for name in names)
    return allocated, reserved, split, retries


def group_limit() -> int:
    """Bytes that the control group (a container, a batch job) allows this process; 0 where nothing is limited."""
    try:
        with open("/proc/self/cgroup") as file:
            inner = next((line.strip()[3:] for line in file if line.startswith("0::")), None)
    except OSError:
        return 0
    places = ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    if inner is not None:
        places = [f"/sys/fs/cgroup{inner.rstrip('/')}/memory.max", "/sys/fs/cgroup/memory.max"]
    for place in places:
        try:
            with open(place) as file:
                text = file.read().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() and int(text) < 1 << 60 else 0
    return 0


def _uuid(cuda: Any, device: int) -> str:
    """As NVML writes it: `GPU-…`; "" where this torch does not tell."""
    uuid = str(getattr(cuda.get_device_properties(device), "uuid", ""))
    return uuid if not uuid or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def install(agent: Agent, _loop: Loop) -> None:
    agent.channel.add_source("memory", MemoryProbe(agent).collect)
    agent.channel.add_source("usage", UsageProbe(agent).collect)
