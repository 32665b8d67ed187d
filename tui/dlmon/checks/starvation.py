"""What keeps a GPU below what it could do: a program that leaves it idle, slow storage, clocks held down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TypeVar

from dlmon.checks.facts import Lacking, backward_site, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import EVALUATING, PAUSED, STALLED, RankFacts, RunSnapshot
from dlmon.text import count, duration, percent
from dlmon_probes import events

SECONDS = 60  # samples of the machine, one a second: a checkpoint or an evaluation does not last as long
LEAST_STEPS = 50  # as for the loader's share: the first steps compile, warm caches and start workers
LOW = 0.4  # share of the time with a kernel running
LOADER = 0.5  # share of the step that waits for data, beyond which the loader is the reason
SHORT = 0.01  # seconds: of a step this short, launching kernels from Python is a good part
BLOCKED = 0.5  # share of the looks at which a process of the training waited for storage
BUSY = 0.9  # share of all cores: beyond it decoding is the reason, not reading (cpu.bottleneck)
THROTTLED = 0.5  # share of the samples with the same reason
SLOWED = 0.8  # of the highest clock: full load alone brings an accelerator at its power limit to about 0.85
HOT = frozenset({"too hot", "too hot (hardware)", "power brake", "hardware slowdown"})

T = TypeVar("T")


@check("gpu.low_utilisation", needs="a minute of samples of the GPU that this training computes on")
def low_utilisation(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    used = _samples(snapshot, snapshot.machine.gpu_utilisation)
    if snapshot.step < LEAST_STEPS or snapshot.timing.median is None:
        raise Lacking(f"{LEAST_STEPS} steps")
    share = median(value for values in used.values() for value in values)
    if share >= LOW or snapshot.state in (PAUSED, EVALUATING, STALLED):
        return
    if any(gpu.utilisation is not None and gpu.utilisation >= LOW for gpu in _own_gpus(snapshot)):
        return  # it is computing again: what was slow is over
    phase, advice = _phase(snapshot, facts)
    step, wait = snapshot.timing.median, snapshot.timing.wait_share
    yield Finding(
        id="gpu.low_utilisation",
        severity=HINT,
        title=f"a kernel runs on the GPU in {percent(share)} of the time: {phase}",
        advice=advice,
        step=snapshot.step,
        rank=facts.rank,
        where=backward_site(facts),
        evidence={"gpu": share, "step_seconds": step, "wait_share": wait, "samples_seconds": SECONDS,
                  "workers": max((loader.workers for loader in facts.loaders.values()), default=0)},
    )  # fmt: skip


def _phase(snapshot: RunSnapshot, facts: RankFacts) -> tuple[str, str]:
    """What the program does meanwhile, and what to do about it."""
    step, wait = snapshot.timing.median or 0.0, snapshot.timing.wait_share or 0.0
    if wait > LOADER:
        workers = max((loader.workers for loader in facts.loaders.values()), default=0)
        return (
            f"{percent(wait)} of each step waits for the data loader ({workers} workers)",
            "More loader workers (num_workers, up to the cores there are), persistent_workers=True, pin_memory=True, "
            "and less work for each sample: store it decoded and resized.",
        )
    if step < SHORT:
        return (
            f"a step takes {duration(step)}, a good part of it launching kernels from Python",
            "A larger batch, torch.compile or CUDA graphs: each launches more work at once. On a small model nothing "
            "need be done.",
        )
    return (
        f"between two kernels the program does something else ({percent(wait)} of a step waits for data)",
        "Look for what waits for the GPU or keeps Python busy at every step: .item(), .cpu(), print of a tensor, "
        "metrics, augmentation on the host, logging.",
    )


@check(
    "io.bottleneck",
    needs="a minute of samples of the machine, and the time spent waiting for data",
    explains=("gpu.low_utilisation",),
)
def io_bottleneck(snapshot: RunSnapshot) -> Iterator[Finding]:
    """The steps wait for data, and the processes that fetch it wait for storage, not for a core."""
    machine, facts, wait = snapshot.machine, leader(snapshot), snapshot.timing.wait_share
    blocked = list(machine.blocked)[-SECONDS:]
    if len(blocked) < SECONDS or len(machine.cpu) < SECONDS:
        raise Lacking("a minute of samples of the machine")
    if wait is None or snapshot.step < LEAST_STEPS:
        raise Lacking(f"the time that {LEAST_STEPS} steps waited for data")
    share, busy = sum(blocked) / len(blocked), median(list(machine.cpu)[-SECONDS:])
    if wait <= LOADER or share < BLOCKED or busy >= BUSY:
        return
    host = machine.host
    read = host.disk_read if host is not None else None
    local = f", {count(round(read / 2**20))} MiB/s from local disks" if read is not None else ""
    yield Finding(
        id="io.bottleneck",
        severity=HINT,
        title=f"{percent(wait)} of each step waits for data, and its readers wait for storage in {percent(share)} of "
        f"all looks{local}",
        advice="Copy the data to a local disk or to memory (/dev/shm) first, pack many small files into few large "
        "ones, read in the order of the files, or let more workers wait at once (num_workers, prefetch_factor).",
        step=snapshot.step,
        rank=facts.rank,
        evidence={"wait_share": wait, "blocked": share, "cpu": busy, "disk_read": read, "iowait":
                  median(machine.iowait[-SECONDS:]) if machine.iowait else None},
    )  # fmt: skip


@check("gpu.throttled", needs="a minute of samples of the GPU that this training computes on, with its clocks")
def throttled(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = _samples(snapshot, snapshot.machine.gpu_throttle)
    names = {gpu.uuid: gpu for gpu in _own_gpus(snapshot)}
    for uuid, reasons in found.items():
        clocks = list(snapshot.machine.gpu_clock.get(uuid, ()))[-SECONDS:]
        counted = Counter(reason for sample in reasons for reason in sample)
        most = counted.most_common(1)
        if not most or not clocks or most[0][1] < THROTTLED * len(reasons) or median(clocks) >= SLOWED:
            continue
        reason, times = most[0]
        gpu = names[uuid]
        heat = f", {gpu.temperature:.0f} °C" if gpu.temperature is not None else ""
        yield Finding(
            id="gpu.throttled",
            severity=WARNING if HOT & set(counted) else HINT,
            title=f"GPU {gpu.index} runs at {percent(median(clocks))} of its highest clock: {reason} in "
            f"{percent(times / len(reasons))} of the last minute{heat}",
            advice=_cooling(HOT & set(counted)),
            step=snapshot.step,
            rank=facts.rank,
            evidence={"subject": uuid, "reasons": dict(counted), "clock": median(clocks), "temperature":
                      gpu.temperature, "power": gpu.power, "power_limit": gpu.power_limit},
        )  # fmt: skip


def _cooling(hot: frozenset[str]) -> str:
    if "power brake" in hot:
        return "The machine's power supply asks for less: too many devices at full load, or a failing supply."
    if hot:
        return "Look at its fans, the air before and behind it, dust and its neighbours; nvidia-smi -q -d TEMPERATURE."
    return "Its power limit is what holds it down: nvidia-smi -q -d POWER shows whether somebody lowered it."


def _own_gpus(snapshot: RunSnapshot) -> list[events.Gpu]:
    """The devices that hold memory of this training: other people's are none of its business."""
    host = snapshot.machine.host
    used = {memory.uuid for facts in snapshot.facts.values() for memory in facts.memory}
    return [gpu for gpu in (host.gpus if host else ()) if gpu.own or gpu.uuid in used]


def _samples(snapshot: RunSnapshot, histories: Mapping[str, Sequence[T]]) -> dict[str, list[T]]:
    """The last minute of each device of this training. Raises Lacking where there is less."""
    kept = {gpu.uuid: list(histories.get(gpu.uuid, ()))[-SECONDS:] for gpu in _own_gpus(snapshot)}
    full = {uuid: values for uuid, values in kept.items() if len(values) >= SECONDS}
    if not full:
        raise Lacking("a minute of samples of a GPU that this training uses")
    return full
