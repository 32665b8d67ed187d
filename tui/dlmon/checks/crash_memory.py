"""Out of memory: who holds it, and what to change, in the order of what each change would save."""

from __future__ import annotations

import math
import re

from dlmon.checks.crash_story import Story
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon.text import size as _size
from dlmon_probes import events

_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+) ?([KMGTP]?i?B|bytes)|Unable to allocate ([\d.]+) ([KMGTP]iB)")
_SHARED = re.compile(r"/dev/shm|shared memory", re.IGNORECASE)
_UNITS = {"B": 1, "bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
# Further numbers per parameter that an optimizer keeps, by its class (torch.optim's sources).
_STATE = {"Adam": 2, "AdamW": 2, "NAdam": 2, "RAdam": 2, "Adamax": 2, "RMSprop": 1, "Adagrad": 1, "Adadelta": 2}
_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "complex64": 8, "complex128": 16}
HUGE = 4  # a single tensor this many times all the rest is a mistake in its shape, not a matter of batch sizes


def oom_story(crash: events.Crash, facts: RankFacts, snapshot: RunSnapshot) -> tuple[Story, dict[str, object]]:
    """The story, and its numbers (bytes) for the evidence."""
    asked = asked_for(crash.message)
    on_gpu = "CUDA" in crash.message or "HIP" in crash.message
    held = owners(facts)
    told = f": {_size(asked)} more were asked for" if asked else ""
    during = f" in {crash.phase}" if crash.phase != "other" else ""
    title = f"out of {'GPU memory' if on_gpu else 'memory'}{during}{told}"
    memory = next((m for m in facts.memory if m.device.startswith("cuda")), None)
    if on_gpu and memory is not None:
        title += f", {_size(memory.allocated)} were in use and {_size(memory.reserved)} reserved"
    numbers: dict[str, object] = {"asked": asked, "phase": crash.phase, **held}
    largest = largest_modules(facts)
    if largest:
        numbers["largest_modules"] = {name: _size(count) for name, count in largest}
    total = snapshot.machine.host.ram_total if snapshot.machine.host else None
    if asked and (asked > HUGE * max(sum(held.values()), 2**28)) and (not total or on_gpu or asked > total / 2):
        advice = (
            f"One tensor of {_size(asked)} is rarely meant: look for a broadcast of (N, 1) against (N,), a one-hot of "
            "ids, or a matrix product the wrong way round in this line."
        )
        return Story(title, advice), numbers
    return Story(title, _advice(crash, held, memory, asked)), numbers


def asked_for(message: str) -> int | None:
    """Bytes of the allocation that failed, as the message says it."""
    match = _ASKED.search(message)
    if match is None:
        return None
    number, unit = match[1] or match[3], match[2] or match[4]
    return int(float(number) * _UNITS.get(unit, 1))


def owners(facts: RankFacts) -> dict[str, int]:
    """Bytes of parameters, gradients, optimizer state, and of the module outputs that one forward keeps."""
    rows = [p for model in facts.models for p in model.parameters]
    parameters = sum(p.numel * _BYTES.get(p.dtype, 4) for p in rows)
    trained = sum(p.numel * _BYTES.get(p.dtype, 4) for p in rows if p.requires_grad)
    copies = max((_STATE.get(optimizer.cls, 1) for optimizer in facts.optimizers), default=0)
    activations = facts.first_activations
    outputs = sum(_elements(shape) * 4 for m in (activations.modules if activations else ()) if m.leaf
                  for shape in m.outputs)  # fmt: skip
    return {"parameters": parameters, "gradients": trained, "optimizer": copies * trained, "activations": outputs}


def largest_modules(facts: RankFacts, most: int = 3) -> list[tuple[str, int]]:
    """(module, bytes of its outputs in one forward), largest first."""
    found = [
        (module.module or module.cls, sum(_elements(shape) * 4 for shape in module.outputs))
        for module in (facts.first_activations.modules if facts.first_activations else ())
        if module.leaf
    ]
    return sorted(found, key=lambda row: -row[1])[:most]


def _elements(shape: list[int]) -> int:
    return math.prod(shape) if all(n >= 0 for n in shape) else 0


def _advice(crash: events.Crash, held: dict[str, int], memory: events.Memory | None, asked: int | None) -> str:
    activations, optimizer = held["activations"], held["optimizer"]
    options: list[tuple[float, str]] = [
        (activations * 0.6, "activation checkpointing (torch.utils.checkpoint)"),
        (activations * 0.5 + 1, "half the batch, with gradient accumulation over 2"),
        (activations * 0.5, "mixed precision (torch.autocast with bfloat16)"),
        (optimizer * 0.75, "an optimizer with smaller state (8-bit Adam, or SGD)"),
    ]
    if not activations:  # it died before a forward was measured: the usual order
        options = [(3 - i, text) for i, (_, text) in enumerate([options[1], options[2], options[0]])]
    parts = [
        f"{text} saves about {_size(int(saved))}" if activations or saved > 100 else text
        for saved, text in sorted(options, key=lambda option: -option[0])
        if saved > 0
    ]
    first = ""
    if crash.phase == "evaluation":
        first = "Evaluate under torch.no_grad(), and keep .cpu() results only. "
    elif memory is not None and asked and memory.reserved - memory.allocated > asked:
        first = (
            f"{_size(memory.reserved - memory.allocated)} are reserved but in pieces: "
            "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True. "
        )
    return f"{first}In order of expected saving: {'; '.join(parts)}. Keep no history in running sums (loss.item())."
