"""NVML through a library that answers as drivers do: fully, in part, or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dlmon_probes.host import nvml
from dlmon_probes.host.nvml import Nvml, reasons_in_words

pynvml = pytest.importorskip("pynvml")

GIB = 2**30


class Library:
    """The calls that the sampler makes, with pynvml's own errors. Each value may be an exception to raise."""

    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    NVML_CLOCK_MEM = pynvml.NVML_CLOCK_MEM
    NVMLError = pynvml.NVMLError
    NVMLError_NotSupported = pynvml.NVMLError_NotSupported
    NVMLError_FunctionNotFound = pynvml.NVMLError_FunctionNotFound
    NVMLError_NoPermission = pynvml.NVMLError_NoPermission

    def __init__(self, count: int = 1, **values: Any) -> None:
        self.asked: list[str] = []
        self.count = count
        self.values: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetName": b"NVIDIA H200",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=139 * GIB, used=41 * GIB),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=40),
            "nvmlDeviceGetPowerUsage": 512_345,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetComputeRunningProcesses": [],
            "nvmlDeviceGetGraphicsRunningProcesses": [],
            **values,
        }

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any) -> Any:
            self.asked.append(name)
            value = self.values[name]
            if isinstance(value, Exception):
                raise value
            return value

        return call


def holds(pid: int, amount: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=amount)


def error(name: str) -> Exception:
    made: Exception = pynvml.NVMLError(getattr(pynvml, name))
    return made


def test_a_device_that_tells_everything() -> None:
    gpus, note = Nvml(Library(), pids_are_global=True).sample([10])
    assert note == ""
    (gpu,) = gpus
    assert (gpu.uuid, gpu.name, gpu.index) == ("GPU-1", "NVIDIA H200", 0)
    assert (gpu.total, gpu.used, gpu.own) == (139 * GIB, 41 * GIB, 0)
    assert (gpu.utilisation, gpu.power, gpu.power_limit) == (0.87, 512.3, 700.0)
    assert (gpu.temperature, gpu.sm_clock, gpu.memory_clock, gpu.throttle) == (61.0, 1980.0, 1980.0, [])
    assert gpu.sm_clock_max == 1980.0


def test_what_is_not_supported_is_none_and_not_asked_again() -> None:
    names = ("nvmlDeviceGetUtilizationRates", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetMemoryInfo")
    library = Library(**{name: error("NVML_ERROR_NOT_SUPPORTED") for name in names})
    sampler = Nvml(library, pids_are_global=True)
    for _ in range(3):
        ((gpu,), _) = sampler.sample([10])
        assert (gpu.utilisation, gpu.power, gpu.used, gpu.error) == (None, None, None, "")
        assert gpu.power_limit == 700.0
    assert [library.asked.count(name) for name in names] == [1, 1, 1]


def test_a_device_that_is_lost_says_so_and_is_asked_again() -> None:
    library = Library()
    sampler = Nvml(library, pids_are_global=True)
    good = dict(library.values)
    for name in good:
        if name.startswith("nvmlDeviceGet"):
            library.values[name] = error("NVML_ERROR_GPU_IS_LOST")
    ((gpu,), _) = sampler.sample([10])
    assert (gpu.used, gpu.own, gpu.utilisation, gpu.temperature) == (None, None, None, None)
    assert "lost" in gpu.error.lower()
    library.values = good
    ((gpu,), _) = sampler.sample([10])
    assert (gpu.temperature, gpu.error) == (61.0, "")


def test_own_memory_is_summed_over_the_tree_and_counted_once() -> None:
    library = Library(
        nvmlDeviceGetComputeRunningProcesses=[holds(10, 3 * GIB), holds(11, 2 * GIB), holds(99, 7 * GIB)],
        nvmlDeviceGetGraphicsRunningProcesses=[holds(10, 3 * GIB)],
    )
    ((gpu,), _) = Nvml(library, pids_are_global=False).sample([10, 11, 12])
    assert gpu.own == 5 * GIB


@pytest.mark.parametrize(
    ("processes", "pids_are_global", "expected"),
    [
        ([holds(99, GIB)], True, 0),  # another's
        ([], True, 0),
        ([], False, None),  # a container: NVML names nobody
        ([holds(4711, GIB)], False, None),  # a container: pids of the host
        ([holds(10, None)], True, None),  # the driver does not tell amounts
    ],
)
def test_own_memory_is_none_rather_than_zero_where_it_cannot_be_known(
    processes: list[Any], pids_are_global: bool, expected: int | None
) -> None:
    library = Library(nvmlDeviceGetComputeRunningProcesses=processes)
    ((gpu,), _) = Nvml(library, pids_are_global=pids_are_global).sample([10])
    assert gpu.own == expected


@pytest.mark.parametrize(
    ("library", "expected"),
    [
        (Library(nvmlInit=error("NVML_ERROR_LIBRARY_NOT_FOUND")), nvml.NO_LIBRARY),
        (Library(nvmlInit=error("NVML_ERROR_DRIVER_NOT_LOADED")), "no NVIDIA GPU: NVML says Driver Not Loaded"),
        (Library(count=0), nvml.NO_DEVICE),
        (Library(nvmlDeviceGetUUID=error("NVML_ERROR_GPU_IS_LOST")), "GPU 0 cannot be opened: NVML says GPU is lost"),
    ],
)
def test_without_a_usable_gpu_there_is_one_line(library: Library, expected: str) -> None:
    sampler = Nvml(library)
    assert sampler.uuids() == []
    for _ in range(2):
        assert sampler.sample([10]) == ([], expected)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x1, []),  # idle
        (0x2, []),  # application clocks: asked for
        (0x4, ["power limit"]),
        (0x8, ["hardware slowdown"]),
        (0x8 | 0x40, ["too hot (hardware)"]),  # the bit of all hardware slowdowns comes with its cause
        (0x4 | 0x20, ["power limit", "too hot"]),
    ],
)
def test_throttle_reasons_are_words(bits: int, words: list[str]) -> None:
    assert reasons_in_words(bits) == words
