"""Why a run ended that should not have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from dlmon.checks.crash_kinds import kind_of
from dlmon.checks.crash_shapes import shape_story
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.frames import shapes_in_reach, user_line
from dlmon.checks.registry import check
from dlmon.state.snapshot import FAILED, RankFacts, RunSnapshot
from dlmon_probes import events

NEEDS = "an uncaught exception, or the end of the run"
RAM_FULL = 0.95  # share of the machine's memory beyond which the kernel's out-of-memory killer is the likely hand

_AUTOGRAD: tuple[tuple[str, str, str], ...] = (
    (
        "does not require grad and does not have a grad_fn",
        "backward() on a loss that nothing trainable led to",
        "Look for .item(), .detach(), .data, no_grad() or argmax between model and loss, and for frozen parameters.",
    ),
    (
        "backward through the graph a second time",
        "backward() went through the same graph twice",
        "Detach what is carried over steps (hidden states, running sums), or add up the losses and go back once.",
    ),
    (
        "modified by an inplace operation",
        "a tensor that backward() needs was overwritten in place",
        "Replace the in-place operation (+=, relu_, indexing on the left) by one that makes a new tensor.",
    ),
    (
        "grad can be implicitly created only for scalar outputs",
        "backward() on a loss that is not a single number",
        "Reduce it first: loss.mean().backward().",
    ),
)
_ADVICE = {
    "crash.dtype": "Convert before the model: inputs with .float(), class labels with .long(), targets of BCE and MSE "
    "with .float(). NumPy makes float64 by default.",
    "crash.device": "Move model and batch to one device: model.to(device) before the optimizer is made, "
    "and x, y = x.to(device), y.to(device) for each batch.",
    "crash.index": "Compare the largest index with the size of what is indexed: num_embeddings for an embedding, "
    "the length of the data set for a list.",
    "crash.other": "The last line of your own code in the traceback is where to look first.",
}


def _crash(snapshot: RunSnapshot, id: str) -> tuple[RankFacts, events.Crash] | None:
    """The first crash of any process, if it is of this kind: the others die of it."""
    crashed = [(facts, facts.crash) for facts in snapshot.facts.values() if facts.crash is not None]
    if not crashed:
        return None
    facts, crash = min(crashed, key=lambda pair: pair[1].t)
    return (facts, crash) if kind_of(crash) == id else None


def _finding(id: str, facts: RankFacts, crash: events.Crash, title: str, advice: str) -> Finding:
    module = crash.module
    return Finding(
        id=id,
        severity=ERROR,
        title=title,
        advice=advice,
        step=crash.step,
        rank=facts.rank,
        where=user_line(crash),
        evidence={
            "type": crash.type,
            "message": crash.message[:1000],
            "phase": crash.phase,
            "module": f"{module.name} ({module.cls})" if module else None,
            "options": module.options if module else "",
            "inputs": [list(named.facts.shape) for named in module.inputs] if module else [],
            "tensors": shapes_in_reach(crash),
        },
    )


def _first_line(crash: events.Crash) -> str:
    text = next((line.strip() for line in crash.message.splitlines() if line.strip()), "")
    return f"{crash.type.rpartition('.')[2]}: {text[:160]}" if text else crash.type


@check("crash.shape", needs=NEEDS)
def shape(snapshot: RunSnapshot) -> Iterator[Finding]:
    found = _crash(snapshot, "crash.shape")
    if found:
        facts, crash = found
        story = shape_story(crash)
        title = story.title if story else _first_line(crash)
        advice = story.advice if story else "Compare the shapes of the tensors in reach; the layer before it made them."
        yield _finding("crash.shape", facts, crash, title, advice)


@check("crash.oom", needs=NEEDS)
def oom(snapshot: RunSnapshot) -> Iterator[Finding]:
    found = _crash(snapshot, "crash.oom")
    if found:
        facts, crash = found
        asked = re.search(r"[Tt]ried to allocate ([\d.]+ ?[KMGT]i?B)", crash.message)
        on_gpu = "CUDA" in crash.message or any(memory.device.startswith("cuda") for memory in facts.memory)
        where = "GPU memory" if on_gpu else "memory"
        size = f": {asked[1]} more were asked for" if asked else ""
        advice = (
            "In order of expected saving: a smaller batch (with gradient accumulation), mixed precision, "
            "activation checkpointing; and no_grad() in evaluation, no history kept in running sums."
        )
        title = f"out of {where} in {crash.phase}{size}"
        yield _finding("crash.oom", facts, crash, title, advice)


@check("crash.index", needs=NEEDS)
def index(snapshot: RunSnapshot) -> Iterator[Finding]:
    found = _crash(snapshot, "crash.index")
    if found:
        facts, crash = found
        yield _finding("crash.index", facts, crash, _embedding(crash) or _first_line(crash), _ADVICE["crash.index"])


def _embedding(crash: events.Crash) -> str | None:
    """An index too large for an embedding, where its table and the indices are known."""
    module = crash.module
    if module is None or "Embedding" not in module.cls or not module.parameters or not module.inputs:
        return None
    shape, highest = module.parameters[0].facts.shape, module.inputs[0].facts.max
    if not shape or highest is None or not math.isfinite(highest):
        return None
    return f"index {highest:.0f} in {module.name or module.cls}, which has {shape[0]} rows (0 … {shape[0] - 1})"


@check("crash.device", needs=NEEDS)
def device(snapshot: RunSnapshot) -> Iterator[Finding]:
    yield from _plain(snapshot, "crash.device")


@check("crash.dtype", needs=NEEDS)
def dtype(snapshot: RunSnapshot) -> Iterator[Finding]:
    yield from _plain(snapshot, "crash.dtype")


@check("crash.other", needs=NEEDS)
def other(snapshot: RunSnapshot) -> Iterator[Finding]:
    found = _crash(snapshot, "crash.other")
    if found:
        facts, crash = found
        for words, title, advice in _AUTOGRAD:
            if words in crash.message:
                yield _finding("crash.other", facts, crash, title, advice)
                return
        yield _finding("crash.other", facts, crash, _first_line(crash), _ADVICE["crash.other"])


def _plain(snapshot: RunSnapshot, id: str) -> Iterator[Finding]:
    found = _crash(snapshot, id)
    if found:
        facts, crash = found
        layer = f" in {crash.module.name or crash.module.cls}" if crash.module else ""
        yield _finding(id, facts, crash, _first_line(crash) + layer, _ADVICE[id])


@check("crash.killed", needs=NEEDS)
def killed(snapshot: RunSnapshot) -> Iterator[Finding]:
    if snapshot.state != FAILED or not snapshot.signal:
        return
    ram = snapshot.machine.ram[-1] if snapshot.machine.ram else None
    full = ram is not None and ram >= RAM_FULL and snapshot.signal == "SIGKILL"
    told = f" with the machine's memory {ram:.0%} full" if ram is not None and full else ""
    yield Finding(
        id="crash.killed",
        severity=ERROR,
        title=f"the training was killed by {snapshot.signal}{told}",
        advice=_killed_advice(snapshot.signal, full),
        step=snapshot.step,
        rank=None,
        evidence={"signal": snapshot.signal, "exit_code": snapshot.exit_code, "ram_share": ram},
    )


def _killed_advice(signal: str, full: bool) -> str:
    if full:
        return "The kernel ends the largest process when memory runs out: fewer loader workers, smaller caches."
    if signal == "SIGKILL":
        return "Nobody asked for it here: look at the scheduler's limits and at the kernel's log (dmesg)."
    if signal == "SIGBUS":
        return "Usually shared memory of loader workers ran out: a larger /dev/shm, or fewer workers."
    return "A crash below Python: run with PYTHONFAULTHANDLER=1, and compare the versions of torch and its driver."
