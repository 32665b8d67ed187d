from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dlmon.checks.facts import Lacking
from dlmon.checks.finding import Finding
from dlmon.checks.registry import all_checks
from dlmon_probes import events
from dlmon_probes.events_machine import Usage
from tests.builders import START, STEP, Story

MIB = 2**20
GIB = 2**30


def found(run: Story, id: str, now: float | None = None) -> list[Finding]:
    check = next(registered for registered in all_checks() if registered.id == id)
    return list(check.run(run.snapshot(now)))


def machine(run: Story, **facts: object) -> Story:
    given = {"cpu": 0.5, "cores": 8, "ram_used": 4 * GIB, "ram_total": 16 * GIB} | facts
    run.host.append(events.Host(t=run.now, **given))  # type: ignore[arg-type]
    return run


def used(rss: Callable[[int], float], readings: int = 40, steps: int = 10, **facts: int) -> Story:
    """A reading of the memory after every `steps` steps."""
    run = Story().model({"w": [2, 2]}).series().losses([1.0 / (i + 1) for i in range(readings * steps)])
    for i in range(readings):
        step = i * steps
        run.add(Usage(START + 1 + step * STEP, step, int(rss(step)), **facts))
    return machine(run)


def leaking(step: int) -> float:
    return 400 * MIB + step * MIB


def test_memory_that_grows_at_every_step() -> None:
    (finding,) = found(used(leaking), "memory.creep")
    assert finding.severity == "hint", "nobody knows how long this run will be"
    assert finding.evidence["bytes_per_step"] == pytest.approx(MIB, rel=0.01)
    assert "12,288 steps" in finding.title, "12 GiB are free"


def test_memory_that_will_not_last_to_the_end() -> None:
    snapshot = used(leaking).snapshot()
    creep = next(registered for registered in all_checks() if registered.id == "memory.creep")
    severities = [[f.severity for f in creep.run(replace(snapshot, total_steps=n))] for n in (40_000, 8_000)]
    assert severities == [["warning"], ["hint"]]


def sawtooth(step: int) -> float:
    return 400 * MIB + (step % 100) * 4 * MIB


def flattening(step: int) -> float:
    return 400 * MIB + 300 * MIB * (1 - 0.5 ** (step / 60))


def filled(step: int) -> float:
    return 400 * MIB + min(step, 150) * 4 * MIB


@pytest.mark.parametrize("rss", [lambda step: 400 * MIB, sawtooth, flattening, filled, lambda step: GIB + 1024 * step])
def test_memory_that_does_not_creep(rss: Callable[[int], float]) -> None:
    assert found(used(rss), "memory.creep") == []


def test_the_first_pass_over_data_that_are_kept() -> None:
    run = used(leaking)
    run.add(events.Loader(t=START, loader=0, dataset="Cached", length=1_000, samples=10_000, batch_size=10, workers=0,
                          sampler="RandomSampler"))  # fmt: skip
    assert found(run, "memory.creep") == []


def test_too_few_readings() -> None:
    with pytest.raises(Lacking):
        found(used(leaking, readings=12), "memory.creep")


def processes(*rss: int) -> list[events.ProcessRow]:
    return [events.ProcessRow(100 + i, "python", 1.0, size) for i, size in enumerate(rss)]


def test_a_machine_that_is_nearly_full() -> None:
    full = used(leaking)
    (finding,) = found(machine(full, ram_used=15.6 * GIB, processes=processes(8 * GIB, 4 * GIB)), "memory.near_limit")
    assert finding.severity == "warning" and "98 %" in finding.title.replace("\xa0", " ")
    others = machine(used(leaking), ram_used=15.6 * GIB, processes=processes(2 * GIB))
    assert found(others, "memory.near_limit") == [], "somebody else filled it"


def test_a_container_that_is_nearly_full() -> None:
    run = used(leaking, limit=10 * GIB)
    (finding,) = found(machine(run, processes=processes(6 * GIB, int(3.5 * GIB))), "memory.near_limit")
    assert "9.50 GiB of the 10 GiB" in finding.title or "9.5" in finding.title
    assert found(machine(used(leaking, limit=20 * GIB), processes=processes(6 * GIB)), "memory.near_limit") == []


def test_gpu_memory_in_pieces() -> None:
    broken = used(leaking, allocated=8 * GIB, reserved=12 * GIB, split=4 * GIB, retries=9)
    (finding,) = found(broken, "memory.fragmentation")
    assert "4 GiB of 12 GiB" in finding.title.replace(".00", "").replace(".0", "") and "9 times" in finding.title
    assert found(used(leaking, reserved=12 * GIB, split=4 * GIB), "memory.fragmentation") == []
    assert found(used(leaking, reserved=12 * GIB, split=GIB, retries=9), "memory.fragmentation") == []


def gpu(utilisation: float = 0.0) -> events.Gpu:
    return events.Gpu("GPU-1", 0, "NVIDIA H200", total=139 * GIB, used=GIB, utilisation=utilisation)


def model_on(device: str, shape: Sequence[int]) -> Story:
    run = Story().series().losses([1.0 / (i + 1) for i in range(20)], dt=[0.5] * 20)
    count = shape[0] * shape[1]
    row = events.Parameter(0, "w", list(shape), "float32", device, True, count, 0)
    return run.add(events.Model(t=run.now, root=0, cls="Net", parameters=[row]))


def test_a_gpu_that_nobody_uses() -> None:
    (finding,) = found(machine(model_on("cpu", [2048, 2048]), gpus=[gpu()]), "gpu.unused")
    assert finding.severity == "hint" and "NVIDIA H200" in finding.title
    assert found(machine(model_on("cuda:0", [2048, 2048]), gpus=[gpu()]), "gpu.unused") == []
    with pytest.raises(Lacking):
        found(machine(model_on("cpu", [2048, 2048])), "gpu.unused")


def test_cores_that_keep_a_gpu_waiting() -> None:
    def run(cpu: float, busy: float) -> Story:
        story = model_on("cuda:0", [64, 64])
        for _ in range(70):
            machine(story, cpu=cpu, gpus=[gpu(busy)])
        return story

    assert [finding.severity for finding in found(run(0.97, 0.2), "cpu.bottleneck")] == ["hint"]
    assert found(run(0.97, 0.9), "cpu.bottleneck") == [] and found(run(0.4, 0.2), "cpu.bottleneck") == []
    with pytest.raises(Lacking):
        found(machine(model_on("cuda:0", [64, 64]), gpus=[gpu(0.2)]), "cpu.bottleneck")


def beating(since: float, phase: str = "training") -> Story:
    run = Story().series().losses([1.0 / (i + 1) for i in range(20)])
    return run.add(*(events.Heartbeat(run.now + t, 20, phase, t, 3) for t in (1.0, since)))


def test_a_training_that_hangs() -> None:
    run = beating(50.0)
    (finding,) = found(run, "run.stalled", now=run.now + 55)
    assert finding.severity == "warning" and finding.step == 20
    assert "no step for 55 s after step 20, 3 backwards into step 20" in finding.title and "100 ms" in finding.title
    assert found(beating(5.0), "run.stalled", now=run.now + 5) == []
    hung = beating(50.0)
    hung.host.append(events.Signal(t=hung.now + 51, signal="SIGTERM", reason="stop"))
    assert len(found(hung.exit(143, "SIGTERM"), "run.stalled")) == 1, "it hung until somebody ended it"
    assert found(beating(50.0).exit(0), "run.stalled") == [], "it had something else to do"
