from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dlmon.checks.facts import Lacking
from dlmon.checks.finding import Finding
from dlmon.checks.registry import Judge, all_checks
from dlmon_probes import events
from tests.builders import START, Story

GIB = 2**30


def found(run: Story, id: str) -> list[Finding]:
    check = next(registered for registered in all_checks() if registered.id == id)
    return list(check.run(run.snapshot()))


def run(
    *,
    seconds: int = 70,
    steps: int = 100,
    dt: float = 0.1,
    wait: float = 0.0,
    cpu: float = 0.3,
    blocked: bool = False,
    gpus: Sequence[events.Gpu] = (),
    uuid: str = "GPU-1",
    read: float | None = None,
) -> Story:
    """A training of so many steps on the GPU `uuid`, and samples of the machine."""
    story = Story().model({"w": [4, 4]}).series()
    story.losses([1.0 / (i + 1) for i in range(steps)], dt=[dt] * steps, wait=[wait * dt] * steps)
    story.add(events.Memory(story.now, steps, "cuda:0", GIB, 2 * GIB, GIB, uuid))
    rows = [events.ProcessRow(101, "python", 0.5, GIB), events.ProcessRow(102, "python", 0.1, GIB, blocked=blocked)]
    for i in range(seconds):
        story.host.append(
            events.Host(START + i / 10, cpu, 8, 4 * GIB, 16 * GIB, disk_read=read, processes=rows, gpus=list(gpus))
        )
    return story


def gpu(uuid: str = "GPU-1", **facts: Any) -> events.Gpu:
    given: dict[str, Any] = {"total": 139 * GIB, "used": 2 * GIB, "utilisation": 0.2, "sm_clock_max": 1980.0} | facts
    return events.Gpu(uuid, 0, "NVIDIA H200", **given)


def test_a_gpu_that_waits_for_the_loader() -> None:
    (finding,) = found(run(gpus=[gpu()], wait=0.8), "gpu.low_utilisation")
    assert finding.severity == "hint" and finding.where is not None
    assert "20 % of the time: 80 % of each step waits for the data loader" in finding.title.replace("\xa0", " ")


def test_a_gpu_whose_steps_are_short_or_whose_program_is_busy() -> None:
    (short,) = found(run(gpus=[gpu()], dt=0.002), "gpu.low_utilisation")
    assert "launching kernels" in short.title and "2.00 ms" in short.title
    (busy,) = found(run(gpus=[gpu()], wait=0.1), "gpu.low_utilisation")
    assert "does something else" in busy.title and ".item()" in busy.advice


def test_gpus_that_are_busy_or_of_others_or_watched_too_short() -> None:
    assert found(run(gpus=[gpu(utilisation=0.9)], wait=0.8), "gpu.low_utilisation") == []
    for story in (run(gpus=[gpu()], uuid="GPU-9"), run(gpus=[gpu()], seconds=30), run(gpus=[gpu()], steps=20)):
        with pytest.raises(Lacking):
            found(story, "gpu.low_utilisation")


def test_a_gpu_that_is_busy_again() -> None:
    story = run(gpus=[gpu()], wait=0.8)
    busy = gpu(utilisation=0.95)
    story.host.append(events.Host(START + 8, 0.3, 8, GIB, 16 * GIB, gpus=[busy]))
    assert found(story, "gpu.low_utilisation") == []


def test_storage_that_the_steps_wait_for() -> None:
    story = run(wait=0.8, blocked=True, read=50 * 2**20, gpus=[gpu()])
    (finding,) = found(story, "io.bottleneck")
    assert finding.severity == "hint" and "50 MiB/s" in finding.title
    ids = [finding.id for finding in Judge()(story.snapshot()).findings]
    assert "io.bottleneck" in ids and "gpu.low_utilisation" not in ids, "the GPU idles because of it"


@pytest.mark.parametrize(
    "facts",
    [
        {"blocked": False, "wait": 0.8},
        {"blocked": True, "wait": 0.2},
        {"blocked": True, "wait": 0.8, "cpu": 0.97},
    ],
)
def test_storage_that_nobody_waits_for(facts: dict[str, Any]) -> None:
    assert found(run(**facts), "io.bottleneck") == []


def test_clocks_that_heat_holds_down() -> None:
    hot = gpu(utilisation=0.97, sm_clock=1100.0, throttle=["too hot"], temperature=91.0)
    (finding,) = found(run(gpus=[hot]), "gpu.throttled")
    assert finding.severity == "warning"
    assert "56 % of its highest clock: too hot in 100 % of the last minute, 91 °C" in finding.title.replace("\xa0", " ")


def test_clocks_that_a_lowered_power_limit_holds_down() -> None:
    capped = gpu(utilisation=0.97, sm_clock=1200.0, throttle=["power limit"], power=300.0, power_limit=300.0)
    (finding,) = found(run(gpus=[capped]), "gpu.throttled")
    assert finding.severity == "hint" and "nvidia-smi -q -d POWER" in finding.advice


def test_clocks_at_full_load_and_devices_of_others() -> None:
    loaded = gpu(utilisation=0.99, sm_clock=1700.0, throttle=["power limit"])
    assert found(run(gpus=[loaded]), "gpu.throttled") == []
    assert found(run(gpus=[gpu(sm_clock=345.0, utilisation=0.0)]), "gpu.throttled") == [], "idle, not held down"
    hot = gpu("GPU-2", sm_clock=600.0, throttle=["too hot"])
    assert found(run(gpus=[gpu(sm_clock=1900.0), hot]), "gpu.throttled") == []
