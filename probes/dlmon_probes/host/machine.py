"""One sample of the machine: processor, memory, disk, the training's processes and the GPUs."""

from __future__ import annotations

import os
import time
from typing import Optional

import psutil  # type: ignore[import-untyped]

from dlmon_probes.events import Host
from dlmon_probes.host.accelerator import Accelerator
from dlmon_probes.host.nvml import Nvml
from dlmon_probes.host.processes import ProcessTree


class Machine:
    """Samples the machine for the training under `pid`; `folder` tells which disk's free space counts.

    Not thread-safe; `sample` never raises for what the machine cannot tell.
    """

    def __init__(self, pid: int, folder: str, accelerator: Optional[Accelerator] = None) -> None:
        self._tree = ProcessTree(pid)
        self._folder = folder
        self._accelerator = accelerator if accelerator is not None else Nvml()
        self._disk = self._disk_counters()
        self._clock = time.monotonic()
        psutil.cpu_percent(None)  # the next call tells the share since this one
        self._idle = _idle_seconds()

    def gpu_uuids(self) -> list[str]:
        return self._accelerator.uuids()

    def sample(self) -> Host:
        """The machine now; rates are over the time since the sample before."""
        memory = psutil.virtual_memory()
        read, written = self._disk_rates()
        processes = self._tree.sample()
        gpus, note = self._accelerator.sample(self._tree.pids)
        return Host(
            t=time.time(),
            cpu=round(psutil.cpu_percent(None) / 100.0, 4),
            cores=psutil.cpu_count() or 1,
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            load=round(_load(), 2),
            disk_free=self._disk_free(),
            disk_read=read,
            disk_write=written,
            processes=processes,
            gpus=gpus,
            gpu_note=note,
            iowait=self._waiting_share(),
        )

    def _waiting_share(self) -> Optional[float]:
        """Share of all cores that only waited for a disk since the sample before."""
        before, self._idle = self._idle, _idle_seconds()
        if before is None or self._idle is None or self._idle[1] <= before[1]:
            return None
        share = (self._idle[0] - before[0]) / (self._idle[1] - before[1])
        return round(min(1.0, max(0.0, share)), 4)

    def _disk_free(self) -> Optional[int]:
        try:
            stat = os.statvfs(self._folder)
        except OSError:
            return None
        return stat.f_bavail * stat.f_frsize

    def _disk_rates(self) -> tuple[Optional[float], Optional[float]]:
        """Bytes read and written per second; None where the system keeps no counters."""
        before, clock = self._disk, self._clock
        self._disk, self._clock = self._disk_counters(), time.monotonic()
        seconds = self._clock - clock
        if before is None or self._disk is None or seconds <= 0:
            return None, None
        rates = [round(max(0, now - then) / seconds, 1) for now, then in zip(self._disk, before)]
        return rates[0], rates[1]

    @staticmethod
    def _disk_counters() -> Optional[tuple[int, int]]:
        try:
            counters = psutil.disk_io_counters()
        except (OSError, RuntimeError, NotImplementedError):
            return None
        return None if counters is None else (counters.read_bytes, counters.write_bytes)


def _idle_seconds() -> Optional[tuple[float, float]]:
    """(waiting for a disk, in all) of the cores since the machine started; None where that is not told apart."""
    times = psutil.cpu_times()
    waited = getattr(times, "iowait", None)
    if waited is None:
        return None
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice, too
    return float(waited), float(sum(times) - guests)


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
