"""What works here and what does not: the questions behind `dlmon doctor`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError, reason
from dlmon.launch import child, interpreter, requests, terminal
from dlmon_probes import control

OK, BAD, NOTE = "ok", "bad", "note"
SMALLEST_SCREEN = (24, 80)
_TRIAL_SECONDS = 60.0  # a cold torch on a network file system takes that long
_TRIAL = "import torch; print(torch.__version__, torch.version.cuda or '-', torch.cuda.is_available())"


@dataclass(frozen=True)
class Answer:
    """verdict: ok, bad (dlmon cannot do its work), or note (it works, with less). text says what to do about it."""

    subject: str
    verdict: str
    text: str


def examine(runs: Path, python: str | None) -> Iterator[Answer]:
    """All answers, in the order in which a run needs the things. Never raises."""
    yield Answer("dlmon", OK, f"runs in Python {platform.python_version()} ({sys.executable})")
    chosen: interpreter.Interpreter | None = None
    try:
        chosen = interpreter.choose(python)
        version = ".".join(map(str, chosen.version))
        yield Answer("training Python", OK, f"Python {version} ({chosen.path}, {chosen.why}) has torch")
    except UserError as error:
        yield Answer("training Python", BAD, str(error))
    yield runs_place(runs)
    yield supervision()
    if chosen is not None:
        yield from trial(chosen.path)
    yield gpus()
    yield screen()


def runs_place(runs: Path) -> Answer:
    """Whether a run folder can be made."""
    place = runs
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK) or not place.is_dir():
        return Answer("runs", BAD, f"{place} is not writable: choose another place with --runs-dir or DLMON_RUNS")
    free = os.statvfs(place)
    gib = free.f_bavail * free.f_frsize / 2**30
    return Answer("runs", OK, f"recorded in {runs} ({gib:.3g} GiB free)")


def supervision() -> Answer:
    """Pseudo-terminals, named pipes and shared memory."""
    try:
        master, slave = terminal.open_pair(*terminal.DEFAULT_SIZE)
        os.close(master)
        os.close(slave)
    except OSError as error:
        return Answer("supervision", BAD, f"no pseudo-terminal can be opened: {reason(error)}")
    with tempfile.TemporaryDirectory(prefix="dlmon-") as scratch:
        fd = requests.create(Path(scratch))
        if fd is None:
            return Answer("supervision", NOTE, "no named pipe can be made: screens cannot stop a training")
        os.close(fd)
    return Answer("supervision", OK, "pseudo-terminals and named pipes work")


def trial(python: str) -> Iterator[Answer]:
    """Start the training's Python with the probes and see whether they answer, and what torch it has."""
    with tempfile.TemporaryDirectory(prefix="dlmon-") as scratch:
        control.create(scratch)
        page = control.ControlPage(scratch)
        env = child.environment(os.environ, Path(scratch), 0.01, time.time())
        try:
            done = subprocess.run(
                [python, "-c", _TRIAL], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            yield Answer("torch", BAD, f"{python} could not be tried: {error}")
            return
        stage = page.read(control.STAGE)
        page.close()
    words = done.stdout.decode("utf-8", "replace").split()
    if done.returncode == 0 and len(words) == 3:
        cuda = f"CUDA {words[1]}" if words[1] != "-" else "CPU only"
        usable = ", a GPU is usable" if words[2] == "True" else ", no GPU usable"
        yield Answer("torch", OK, f"{words[0]} ({cuda}{usable})")
    else:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no output"])[-1]
        yield Answer("torch", BAD, f"import torch fails in {python}: {last}")
    yield _injection(stage)


def _injection(stage: int) -> Answer:
    if stage >= control.STAGE_TORCH_READY:
        return Answer("probes", OK, "reach the training and see torch")
    if stage >= control.STAGE_PYTHON:
        return Answer("probes", BAD, "reach the training's Python, but did not see torch being imported")
    return Answer(
        "probes", BAD, "do not reach the training: its Python ignores PYTHONPATH (started with -E or -I, or isolated)"
    )


def gpus() -> Answer:
    """What NVML shows."""
    from dlmon_probes.host.nvml import Nvml

    found, note = Nvml().sample(())
    if not found:
        return Answer("GPU", NOTE, note)
    names = ", ".join(
        f"{gpu.index} {gpu.name}" + (f" ({gpu.total / 2**30:.3g} GiB)" if gpu.total else "") for gpu in found
    )
    own = "" if any(gpu.own is not None for gpu in found) else "; the memory of single processes is not visible here"
    return Answer("GPU", OK, names + own)


def screen() -> Answer:
    """Size, colours and characters of this terminal."""
    if not (terminal.is_terminal(1) and terminal.is_terminal(2)):
        return Answer("screen", NOTE, "this is not a terminal: runs go without a screen (--headless)")
    if os.environ.get("TERM", "dumb") == "dumb":
        return Answer("screen", NOTE, "TERM is not set or dumb: runs go without a screen (--headless)")
    rows, columns = terminal.size_here()
    if rows < SMALLEST_SCREEN[0] or columns < SMALLEST_SCREEN[1]:
        return Answer("screen", NOTE, f"{columns}×{rows} characters; the screen needs 80×24: make the window larger")
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    characters = "UTF-8" if utf8 else "no UTF-8: use --ascii, or a locale such as C.UTF-8"
    return Answer("screen", OK if utf8 else NOTE, f"{columns}×{rows} characters, {_colours()}, {characters}")


def _colours() -> str:
    if os.environ.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"
