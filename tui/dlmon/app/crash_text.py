"""An exception told so that one can act on it: the user's own line, the layer, the shapes that met."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, line, wrap
from dlmon.state.snapshot import RunSnapshot
from dlmon.text import count, place, shape
from dlmon_probes.events import Crash, FailingModule, Frame, NamedTensor

MOST_TENSORS = 6
_PHASES = {
    "forward": "in the forward pass", "backward": "in the backward pass", "step": "in the optimizer's step",
    "data": "while loading data", "evaluation": "in an evaluation pass",
}  # fmt: skip


def crash_of(snapshot: RunSnapshot) -> tuple[int, Crash] | None:
    """The first exception that ended a process, with its rank: later ones are mostly its consequences."""
    found = [(facts.rank, facts.crash) for facts in snapshot.facts.values() if facts.crash is not None]
    return min(found, key=lambda pair: pair[1].t, default=None)


def crash_lines(snapshot: RunSnapshot, room: int, glyphs: Glyphs) -> list[Line]:
    """Empty where no exception was recorded."""
    found = crash_of(snapshot)
    if found is None:
        return []
    rank, crash = found
    lines = [line((text, "strong")) for text in wrap(f"{crash.type}: {_first_line(crash.message)}", room)]
    lines += _user_frame(crash.frames, room, glyphs)
    lines += _where_in_the_run(crash, rank, snapshot.world)
    if crash.module is not None:
        lines += _module(crash.module)
    lines += _locals(crash.frames, crash.module)
    return lines


def _first_line(message: str) -> str:
    return next((text for text in message.splitlines() if text.strip()), "")


def user_frame(frames: Sequence[Frame]) -> Frame | None:
    """The innermost frame in the user's own code."""
    return next((frame for frame in reversed(frames) if frame.user), frames[-1] if frames else None)


def _user_frame(frames: Sequence[Frame], room: int, glyphs: Glyphs) -> list[Line]:
    frame = user_frame(frames)
    if frame is None:
        return []
    where = frame.where
    inside = f" in {where.function}" if where.function else ""
    head = line((glyphs.running, "bad"), (f"{place(where.file, where.line)}{inside}", "strong"))
    return [head, *(line("    ", (text, "text")) for text in wrap(where.text, room - 4))] if where.text else [head]


def _where_in_the_run(crash: Crash, rank: int, world: int) -> list[Line]:
    phase = _PHASES.get(crash.phase, "")
    at = f"at step {count(crash.step)}" + (f", rank {rank}" if world > 1 else "")
    return [line(("  " + ", ".join(part for part in (phase, at) if part), "dim"))]


def _module(module: FailingModule) -> list[Line]:
    options = f"({module.options})" if module.options else ""
    lines = [line("  layer  ", (f"{module.name or '(root)'}: {module.cls}{options}", "strong"))]
    lines += [_tensor("gets", tensor) for tensor in module.inputs[:MOST_TENSORS]]
    lines += [_tensor("has", tensor) for tensor in module.parameters[:MOST_TENSORS]]
    return lines


def _tensor(verb: str, tensor: NamedTensor) -> Line:
    facts = tensor.facts
    device = f" on {facts.device}" if facts.device != "cpu" else ""
    return line((f"    {verb:<5}", "dim"), f"{shape(facts.shape)} {facts.dtype}{device}", (f"   {tensor.path}", "dim"))


def _locals(frames: Sequence[Frame], module: FailingModule | None) -> list[Line]:
    """The tensors in the user's frame, where the layer does not say it all."""
    frame = user_frame(frames)
    if frame is None or not frame.tensors or module is not None:
        return []
    return [line(("  tensors in that line", "dim")), *(_tensor("", tensor) for tensor in frame.tensors[:MOST_TENSORS])]
