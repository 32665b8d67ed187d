"""Memory that runs out, and machines that are not used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon.text import count, percent, size
from dlmon_probes import events
from dlmon_probes.events_machine import Usage

MIB = 2**20
PARTS = 6  # of the readings, of equal length: memory must be higher in each than in the one before
READINGS = 12  # after the warm-up
WARM_UP = 0.25  # share of the readings left out at the start: allocators, caches and compiled kernels grow then
WARM_UP_STEPS = 10
LEAST = 48 * MIB  # growth after the warm-up
LEAST_SHARE = 0.05  # of what was there: a 20 GiB process moves by hundreds of MiB
STEADY = 0.5  # the second half must grow at least this much of the first: what flattens out is a cache that fills
FULL = 0.95  # share of the machine's memory
OWN = 0.5  # of which this training holds at least this share
LIMIT = 0.9  # share of a control group's limit: it is enforced without swapping
GPU_FULL = 0.97
RETRIES = 5  # times the allocator had to give everything back and ask again
SPLIT = 0.2  # share of the reserved memory that is free but in pieces
SMALL = 1_000_000  # parameters: smaller models are often as fast on the CPU
SHORT = 0.02  # seconds: so are shorter steps
BUSY = 0.9  # share of all cores
IDLE_GPU = 0.5
SECONDS = 60  # samples of the machine, one a second


@dataclass(frozen=True)
class Growth:
    """Bytes that came with every step after the warm-up. what: "allocated" or "rss"."""

    what: str
    first: float
    last: float
    steps: int
    at: int  # step of the last reading

    @property
    def per_step(self) -> float:
        return (self.last - self.first) / max(1, self.steps)


@check("memory.creep", needs="memory of the process over some seconds of steps")
def creep(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    rows = _after_warm_up(facts)
    growth = _growth(rows, "allocated") or _growth(rows, "rss")
    if growth is None:
        return
    free = _free(snapshot, facts, growth.what)
    left = int(free / growth.per_step) if free is not None else None
    length = max((loader.length or 0 for loader in facts.loaders.values()), default=0)
    known = snapshot.total_steps or (length if growth.at < length else None)
    soon = left is not None and known is not None and growth.at + left < known
    if growth.at < 1.2 * length and not soon:
        return  # the first pass over the data: a data set that keeps what it has read grows as steadily
    forecast = f": full in about {count(left)} steps" if left is not None else ""
    yield Finding(
        id="memory.creep",
        severity=WARNING if soon else HINT,
        title=f"{_names(growth.what)} grows by {size(growth.per_step)} at every step "
        f"({size(growth.first)} → {size(growth.last)} in {count(growth.steps)} steps){forecast}",
        advice="Something keeps what each step made: losses or outputs with their graph (use .item() or .detach()), "
        "hidden states carried over, lists of batches, hooks added at every step.",
        step=growth.at,
        rank=facts.rank,
        evidence={"what": growth.what, "bytes_per_step": growth.per_step, "first": growth.first, "last": growth.last,
                  "steps": growth.steps, "free": free, "steps_left": left},
    )  # fmt: skip


def _after_warm_up(facts: RankFacts) -> list[Usage]:
    rows = [row for row in facts.further.get("usage", ()) if isinstance(row, Usage) and row.step >= WARM_UP_STEPS]
    rows = rows[int(len(rows) * WARM_UP) :]
    if len(rows) < READINGS:
        raise Lacking(f"{READINGS} readings of its memory after the warm-up")
    return rows


def _growth(rows: Sequence[Usage], what: str) -> Growth | None:
    """Steady growth: lowest reading of each of six parts above the one before, and no flattening."""
    length = len(rows) // PARTS
    parts = [rows[i * length : (i + 1) * length] for i in range(PARTS)]
    floor = [float(min(getattr(row, what) for row in part)) for part in parts]
    rises = [later - earlier for earlier, later in zip(floor, floor[1:], strict=False)]
    total = floor[-1] - floor[0]
    steps = median(row.step for row in parts[-1]) - median(row.step for row in parts[0])
    if total < max(LEAST, LEAST_SHARE * floor[0]) or min(rises) <= 0 or steps < PARTS:
        return None
    half = len(rises) // 2
    if sum(rises[-half:]) < STEADY * sum(rises[:half]):
        return None
    return Growth(what, floor[0], floor[-1], int(steps), rows[-1].step)


def _names(what: str) -> str:
    return "GPU memory" if what == "allocated" else "the process's memory"


def _free(snapshot: RunSnapshot, facts: RankFacts, what: str) -> float | None:
    """Bytes until it is full, as far as is known."""
    if what == "allocated":
        totals = {gpu.uuid: gpu.total for gpu in _gpus(snapshot)}
        found = [(totals.get(m.uuid), m) for m in facts.memory if m.device.startswith("cuda")]
        return next((float(total - memory.allocated) for total, memory in found if total), None)
    usage, host = facts.further.get("usage", ()), snapshot.machine.host
    limit = usage[-1].limit if usage else 0
    machine = float(host.ram_total - host.ram_used) if host else None
    if limit and usage:
        own = float(limit - usage[-1].rss)
        return max(0.0, own if machine is None else min(own, machine))
    return machine


def _gpus(snapshot: RunSnapshot) -> Sequence[events.Gpu]:
    return snapshot.machine.host.gpus if snapshot.machine.host else ()


@check("memory.near_limit", needs="a sample of the machine")
def near_limit(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts, host = leader(snapshot), snapshot.machine.host
    if host is None or not host.ram_total:
        raise Lacking("no sample of the machine yet")
    own = sum(row.rss for row in host.processes)
    usage = facts.further.get("usage", ())
    limit = usage[-1].limit if usage else 0
    title = ""
    if limit and own > LIMIT * limit:
        title = f"the training holds {size(own)} of the {size(limit)} that its container or job may use"
    elif host.ram_used > FULL * host.ram_total and own > OWN * host.ram_total:
        title = f"the machine's memory is {percent(host.ram_used / host.ram_total)} full, {size(own)} of it by this run"
    if title:
        yield Finding(
            id="memory.near_limit",
            severity=WARNING,
            title=title,
            advice="Beyond it the kernel kills the largest process without a message: fewer loader workers, smaller "
            "caches, memory-mapped data.",
            step=snapshot.step,
            rank=facts.rank,
            evidence={"subject": "host", "own": own, "used": host.ram_used, "total": host.ram_total, "limit": limit},
        )
    totals = {gpu.uuid: gpu.total for gpu in host.gpus}
    for memory in facts.memory:
        total = totals.get(memory.uuid)
        if total and memory.peak > GPU_FULL * total:
            yield Finding(
                id="memory.near_limit",
                severity=HINT,  # a batch size chosen to fill the device looks the same
                title=f"{memory.device} was {percent(memory.peak / total)} full with tensors at its peak",
                advice="A longer sequence or a larger last batch will not fit: leave a few percent free.",
                step=memory.step,
                rank=facts.rank,
                evidence={"subject": memory.device, "peak": memory.peak, "total": total},
            )


@check("memory.fragmentation", needs="counters of torch's CUDA allocator")
def fragmentation(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    rows = [row for row in facts.further.get("usage", ()) if isinstance(row, Usage) and row.reserved]
    if not rows:
        raise Lacking("no GPU memory of torch")
    last = rows[-1]
    if last.retries < RETRIES or last.split < SPLIT * last.reserved:
        return
    yield Finding(
        id="memory.fragmentation",
        severity=WARNING,
        title=f"{size(last.split)} of {size(last.reserved)} GPU memory are free but in pieces; the allocator had to "
        f"start over {last.retries} times",
        advice="Each time costs a synchronisation, and out of memory comes early: set "
        "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True, and pad batches to few different sizes.",
        step=last.step,
        rank=facts.rank,
        evidence={"split": last.split, "reserved": last.reserved, "allocated": last.allocated, "retries": last.retries},
    )


@check("gpu.unused", needs="the machine's GPUs, and the model's parameters")
def gpu_unused(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    gpus = [gpu for gpu in _gpus(snapshot) if gpu.total and not gpu.error]
    if not gpus:
        raise Lacking("no GPU that the driver tells of")
    parameters = [p for model in facts.models for p in model.parameters]
    if not parameters:
        raise Lacking("no model was seen yet")
    numel, step = sum(p.numel for p in parameters), snapshot.timing.median
    if any(p.device != "cpu" for p in parameters) or facts.memory:
        return
    if numel < SMALL and (step is None or step < SHORT):
        return
    build = facts.hello is not None and not facts.hello.cuda
    why = "This torch is built for the CPU: install a CUDA build." if build else (
        "model.to('cuda') before the optimizer is made, and each batch .to('cuda'); if CUDA_VISIBLE_DEVICES hides it "
        "on purpose, never mind.")  # fmt: skip
    yield Finding(
        id="gpu.unused",
        severity=HINT,
        title=f"a {gpus[0].name} is there, the model ({count(numel)} parameters) trains on the CPU",
        advice=why,
        step=snapshot.step,
        rank=facts.rank,
        evidence={"gpu": gpus[0].name, "parameters": numel, "median_step": step, "torch_cuda": not build},
    )


@check(
    "cpu.bottleneck",
    needs="a minute of samples of the machine with a GPU",
    explains=("gpu.low_utilisation",),
)
def cpu_bottleneck(snapshot: RunSnapshot) -> Iterator[Finding]:
    machine = snapshot.machine
    used = [list(values)[-SECONDS:] for values in machine.gpu_utilisation.values() if max(values, default=0.0) > 0.02]
    cpu = list(machine.cpu)[-SECONDS:]
    if not used or len(cpu) < SECONDS or min(map(len, used)) < SECONDS:
        raise Lacking("a minute of samples of a GPU in use")
    busy, idle = median(cpu), median(value for values in used for value in values)
    if busy < BUSY or idle > IDLE_GPU:
        return
    facts = leader(snapshot)
    workers = max((loader.workers for loader in facts.loaders.values()), default=0)
    cores = machine.host.cores if machine.host else 0
    more = f" {workers} loader workers share {cores} cores." if cores and workers > cores else ""
    yield Finding(
        id="cpu.bottleneck",
        severity=HINT,
        title=f"all CPU cores are {percent(busy)} busy while the GPU computes {percent(idle)} of the time",
        advice="The host is the slow part: decode and resize the data once and store it so, augment on the GPU, or "
        f"torch.compile to launch fewer kernels.{more}",
        step=snapshot.step,
        rank=facts.rank,
        evidence={"cpu": busy, "gpu": idle, "workers": workers, "cores": cores, "wait_share":
                  snapshot.timing.wait_share},
    )  # fmt: skip
