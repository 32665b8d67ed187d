"""NVIDIA GPUs through NVML. What a device, its driver or this container does not tell is None."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional

from dlmon_probes.events import Gpu

NO_LIBRARY = "no NVIDIA GPU: NVIDIA's driver library (NVML) is not installed"
NO_DEVICE = "no NVIDIA GPU: the driver is there, but it shows no device"
NO_BINDING = "NVIDIA GPUs are not sampled: the nvidia-ml-py package is missing"

_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of the Linux kernel

# Bits of nvmlClocksEventReasons, and what they mean to someone whose training got slow. An idle GPU is not throttled,
# and application clocks are what the owner asked for.
_REASONS = (
    (0x0000000000000004, "power limit"),
    (0x0000000000000008, "hardware slowdown"),
    (0x0000000000000010, "sync boost"),
    (0x0000000000000020, "too hot"),
    (0x0000000000000040, "too hot (hardware)"),
    (0x0000000000000080, "power brake"),
)


def reasons_in_words(bits: int) -> list[str]:
    """What slows the clocks down; empty when nothing does."""
    words = [word for bit, word in _REASONS if bits & bit]
    specific = [word for word in words if word != "hardware slowdown"]
    return specific if any(word in specific for word in ("too hot (hardware)", "power brake")) else words


class Nvml:
    """The `Accelerator` of NVIDIA machines. Without a GPU or a driver it says so in one line and stays silent."""

    def __init__(self, library: Any = None, *, pids_are_global: Optional[bool] = None) -> None:
        self._note = ""
        self._missing: set[tuple[int, str]] = set()  # what a device said it does not support: not asked again
        self._library = library if library is not None else self._load()
        self._global = pids_are_global if pids_are_global is not None else _sees_all_pids()
        self._devices: list[tuple[Any, str, str]] = []  # handle, UUID, name
        if self._library is not None:
            self._open()

    def _load(self) -> Any:
        try:
            import pynvml
        except ImportError:
            self._note = NO_BINDING
            return None
        return pynvml

    def _open(self) -> None:
        nvml = self._library
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            name = type(error).__name__
            known = "LibraryNotFound" in name
            self._note = NO_LIBRARY if known else f"no NVIDIA GPU: NVML says {_message(error)}"
            return
        for index in range(count):
            self._add(index)
        if not self._devices and not self._note:
            self._note = NO_DEVICE

    def _add(self, index: int) -> None:
        nvml = self._library
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid, name = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
        except nvml.NVMLError as error:
            self._note = f"GPU {index} cannot be opened: NVML says {_message(error)}"
            return
        self._devices.append((handle, uuid, name))

    def uuids(self) -> list[str]:
        return [uuid for _, uuid, _ in self._devices]

    def sample(self, pids: Sequence[int]) -> tuple[list[Gpu], str]:
        own = frozenset(pids)
        return [self._sample(index, *device, own) for index, device in enumerate(self._devices)], self._note

    def _sample(self, index: int, handle: Any, uuid: str, name: str, pids: frozenset[int]) -> Gpu:
        nvml = self._library
        failures: list[str] = []

        def read(function: str, *arguments: Any) -> Any:
            return self._read(index, failures, function, handle, *arguments)

        memory = read("nvmlDeviceGetMemoryInfo")
        rates = read("nvmlDeviceGetUtilizationRates")
        power, limit = read("nvmlDeviceGetPowerUsage"), read("nvmlDeviceGetEnforcedPowerLimit")
        bits = read("nvmlDeviceGetCurrentClocksThrottleReasons")
        return Gpu(
            uuid=uuid,
            index=index,
            name=name,
            total=int(memory.total) if memory is not None else None,
            used=int(memory.used) if memory is not None else None,
            own=self._own(read, pids),
            utilisation=rates.gpu / 100.0 if rates is not None else None,
            power=_scaled(power, 1e-3),
            power_limit=_scaled(limit, 1e-3),
            temperature=_scaled(read("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU), 1.0),
            sm_clock=_scaled(read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM), 1.0),
            memory_clock=_scaled(read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM), 1.0),
            throttle=reasons_in_words(int(bits)) if bits is not None else [],
            error=failures[0] if failures else "",
            sm_clock_max=_scaled(read("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM), 1.0),
        )

    def _read(self, index: int, failures: list[str], function: str, *arguments: Any) -> Any:
        """A value, or None: for what is not supported (remembered), and for what fails now (kept in `failures`)."""
        key = (index, function + repr(arguments[1:]))
        if key in self._missing:
            return None
        nvml = self._library
        try:
            return getattr(nvml, function)(*arguments)
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, AttributeError):
            self._missing.add(key)
        except nvml.NVMLError_NoPermission:
            self._missing.add(key)
        except nvml.NVMLError as error:
            failures.append(_message(error))
        return None

    def _own(self, read: Callable[..., Any], pids: frozenset[int]) -> Optional[int]:
        """Memory that `pids` hold. Inside a container NVML names no processes, or names them by pids of another
        namespace: nothing found means 0 only where all pids are visible."""
        lists = [
            read("nvmlDeviceGetComputeRunningProcesses"),
            read("nvmlDeviceGetGraphicsRunningProcesses"),
        ]
        if lists[0] is None:
            return None
        mine = _by_pid(row for rows in lists if rows is not None for row in rows)
        held = [amount for pid, amount in mine.items() if pid in pids]
        if any(amount is None for amount in held):
            return None
        if not held:
            return 0 if self._global else None
        return sum(amount for amount in held if amount is not None)


def _by_pid(rows: Iterable[Any]) -> dict[int, Optional[int]]:
    """A process that computes and draws stands in both lists with the same amount."""
    return {row.pid: None if row.usedGpuMemory is None else int(row.usedGpuMemory) for row in rows}


def _sees_all_pids() -> bool:
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _scaled(value: Any, factor: float) -> Optional[float]:
    return None if value is None else round(float(value) * factor, 1)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _message(error: BaseException) -> str:
    return str(error) or type(error).__name__
