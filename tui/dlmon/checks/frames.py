"""Reading a crash: the user's own line, and the tensors that were in reach."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import well_formed
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events
from dlmon_probes.events import Where
from dlmon_probes.events_machine import Place


def user_frames(crash: events.Crash) -> Iterator[events.Frame]:
    """Frames in the user's own files, innermost first."""
    return (frame for frame in reversed(crash.frames) if frame.user)


def user_line(crash: events.Crash) -> Where | None:
    """The innermost line of the user's own; else the innermost there is."""
    frame = next(user_frames(crash), None) or next(reversed(crash.frames), None)
    return frame.where if frame else None


def last_place(facts: RankFacts) -> Place | None:
    """Where the thread that trains was when it was last looked at."""
    found = well_formed(facts).further.get("place", ())
    return found[-1] if found else None


def shapes_in_reach(crash: events.Crash, most: int = 8) -> dict[str, str]:
    """Tensors of the innermost frame of the user's that has any: name to "32×3×16×16 float32"."""
    for frame in user_frames(crash):
        if frame.tensors:
            return {named.path: describe(named.facts) for named in frame.tensors[:most]}
    return {}


def describe(facts: events.TensorFacts) -> str:
    shape = "×".join(map(str, facts.shape)) if facts.shape else "scalar"
    return f"{shape} {facts.dtype}" + (f" on {facts.device}" if facts.device != "cpu" else "")
