"""One word for what a run is doing, from what its processes said and from whether they are alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from dlmon.record.manifest import Manifest
from dlmon.state import snapshot as words
from dlmon_probes import events

STALL_FACTOR = 10.0  # × the median step
STALL_FLOOR = 30.0  # seconds: compilation, a checkpoint or a slow batch is not a stall
SILENCE = 60.0  # seconds without a line from any process, where its life cannot be looked up
HEARTBEAT_FRESH = 10.0  # seconds: a process that wrote this recently is alive

_BY_PHASE = {
    "python": words.STARTING,
    "importing_torch": words.IMPORTING,
    "torch_ready": words.PREPARING,
    "training": words.TRAINING,
    "evaluating": words.EVALUATING,
    "paused": words.PAUSED,
    "ended": words.TRAINING,  # this process is done; the command that was started is not
}
_STOP_CODES = {129: "SIGHUP", 130: "SIGINT", 143: "SIGTERM"}


@dataclass(frozen=True)
class Clues:
    """What the state is told from. written, progressed: unix seconds of the last line, and of the last move.

    exit: the recorded end. phase: of the leading process, "" if it has not reported. left: it said goodbye.
    """

    now: float
    phase: str = ""
    step: int = 0
    written: float = 0.0
    progressed: float = 0.0
    median: float | None = None
    exit: events.Exit | None = None
    stop_requested: bool = False
    crash: events.Crash | None = None
    left: bool = False


def end_of(clues: Clues) -> tuple[str, str]:
    """State and detail of a run whose exit was recorded."""
    end = clues.exit
    if end is None:
        return words.LOST, "no end was recorded"
    if not end.recorded:
        return words.FINISHED, "its log ends here, and holds no exit code"
    if end.code == 0 and not end.signal:
        return words.FINISHED, ""
    name = end.signal or _STOP_CODES.get(end.code, "")
    if clues.stop_requested or (name in _STOP_CODES.values() and clues.crash is None):
        return words.STOPPED, f"by {name}" if name else f"exit code {end.code}"
    if end.signal:
        return words.FAILED, f"killed by {end.signal}"
    return words.FAILED, f"exit code {end.code}"


def living(clues: Clues) -> tuple[str, str]:
    """State and detail of a run that is not over."""
    state = _BY_PHASE.get(clues.phase, words.STARTING)
    if clues.left or clues.phase == "ended":
        return state, "over, the command still runs"
    if state == words.TRAINING and clues.step == 0:
        return words.TRAINING, "first step"
    silent = clues.now - clues.progressed
    limit = max(STALL_FLOOR, STALL_FACTOR * (clues.median or 0.0))
    if state == words.TRAINING and clues.progressed and silent > limit:
        usual = f", usually {_seconds(clues.median)}" if clues.median else ""
        return words.STALLED, f"no step for {_seconds(silent)}{usual}"
    return state, ""


def gone(clues: Clues) -> tuple[str, str]:
    """State and detail of a run that ended without a record."""
    if clues.crash is not None:
        return words.FAILED, "the exit code was not recorded"
    if clues.left:
        return words.LOST, "the training left in an orderly way, its exit code was not recorded"
    return words.LOST, "no end was recorded and its processes are gone"


def _seconds(value: float | None) -> str:
    if value is None:
        return "?"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.0f} min"


class Liveness:
    """Whether anything of a run is alive. Processes are asked after once a second, and on their own host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: float | None = None
        self._alive = True

    def alive(self, manifest: Manifest | None, host: str, written: float, now: float) -> bool:
        """host: where the run was started, "" if not known. written: unix seconds of the last line of any log."""
        if now - written < HEARTBEAT_FRESH:
            return True
        if manifest is None or (manifest.pid is None and manifest.supervisor_pid is None):
            return not written or now - written < SILENCE
        if (manifest.host or host) not in ("", socket.gethostname()):
            return now - written < SILENCE
        asked = self._clock()
        if self._asked is None or asked - self._asked >= 1.0:
            self._asked = asked
            self._alive = any(_runs(pid) for pid in (manifest.supervisor_pid, manifest.pid))
        return self._alive


def _runs(pid: int | None) -> bool:
    if pid is None or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return file.read().rpartition(b")")[2].split()[:1] == [b"Z"]
    except (OSError, IndexError):
        return False
