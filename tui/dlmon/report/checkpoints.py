"""The best checkpoint that the script saved: where it lies, its digest, and whether it loads.

The log does not name checkpoints; they are looked for among the files of the run's working folder that were written
while it ran. A log may come from anyone: nothing that it names is run, and a checkpoint is loaded in a process of its
own with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmon.report.evaluations import best_training
from dlmon.report.evidence import Evidence

ENDINGS = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".tar")
MOST_ENTRIES = 20_000  # of folders that are looked through
MOST_DIGESTED = 16 << 30  # bytes; larger files get no digest
LOAD_SECONDS = 120.0
CLOCK_SLACK = 2.0  # seconds: file systems round their times
_SKIPPED = frozenset({"dlmon_runs", "node_modules", "site-packages", "__pycache__", "venv", "env", "wandb"})
NOT_CHECKED = "not checked"

_LOAD = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; import torch; "
    "torch.load(sys.argv[1], map_location='cpu', weights_only=True)"
)


@dataclass(frozen=True)
class Pointer:
    """A checkpoint. path: relative to the run's working folder. loads: "yes", "no" or "not checked"; why: a reason.

    found: False where there is none, and `why` says so.
    """

    found: bool
    path: str = ""
    bytes: int | None = None
    sha256: str | None = None
    chosen: str = ""
    others: int = 0
    loads: str = NOT_CHECKED
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        if not self.found:
            return {"found": False, "why": self.why}
        return vars(self)


@dataclass(frozen=True)
class _File:
    path: Path
    size: int
    written: float  # unix seconds


Loader = Callable[[Path], tuple[str, str]]


def best_checkpoint(evidence: Evidence, load: Loader | None = None) -> Pointer:
    """The checkpoint that the run's best state was saved as, as far as names and times tell. load: tries a file and
    says ("yes", "no" or "not checked", why)."""
    manifest, snapshot = evidence.manifest, evidence.view.snapshot
    if manifest.host not in ("", socket.gethostname()):
        return Pointer(False, why=f"the run was on {manifest.host}: its files are not looked for here")
    folder = Path(manifest.cwd)
    if not manifest.cwd or not folder.is_absolute() or not folder.is_dir() or snapshot.started is None:
        return Pointer(False, why="the run's working folder is not here")
    if evidence.stage:
        return Pointer(False, why="a rehearsal keeps what the script saves in the stage's own folder")
    ended = snapshot.started + snapshot.elapsed
    files = [file for file in _files(folder) if snapshot.started - CLOCK_SLACK <= file.written <= ended + CLOCK_SLACK]
    if not files:
        return Pointer(False, why="no checkpoint in the working folder is of the time of this run")
    chosen, why = _choose(files, evidence)
    loads, reason = (load or loads_in_a_process)(chosen.path)
    return Pointer(
        True, os.path.relpath(chosen.path, folder), chosen.size, _digest(chosen), why, len(files) - 1, loads, reason
    )


def _files(folder: Path) -> Iterator[_File]:
    seen = 0
    waiting = [folder]
    while waiting and seen < MOST_ENTRIES:
        here = waiting.pop(0)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.name.endswith(ENDINGS) and stat.S_ISREG((info := entry.stat(follow_symlinks=False)).st_mode):
                    yield _File(Path(entry.path), info.st_size, info.st_mtime)
            except OSError:
                continue


def _choose(files: list[_File], evidence: Evidence) -> tuple[_File, str]:
    """By name, else by the time of the best evaluation, else the last one."""
    named = [file for file in files if "best" in file.path.name.lower()]
    if named:
        return max(named, key=_newest), "its name says best"
    process = evidence.main
    _, group = best_training(process) if process else (None, None)
    best = group.best if group else None
    if group is not None and best is not None:
        later = [one.t for one in group.passes if one.t > best.t]
        until = min(later, default=float("inf"))
        near = [file for file in files if best.t - CLOCK_SLACK <= file.written <= until]
        if near:
            chosen = min(near, key=lambda file: (abs(file.written - best.t), str(file.path)))
            return chosen, f"written after the best evaluation, at step {best.step}"
    return max(files, key=_newest), "the last one that was written"


def _newest(file: _File) -> tuple[float, str]:
    return file.written, str(file.path)


def _digest(file: _File) -> str | None:
    if file.size > MOST_DIGESTED:
        return None
    digest = hashlib.sha256()
    try:
        with file.path.open("rb") as data:
            while block := data.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def loads_in_a_process(path: Path) -> tuple[str, str]:
    """Whether torch loads a file, asked of the Python that dlmon would run a script with."""
    from dlmon.launch import interpreter

    if path.suffix == ".safetensors":
        return NOT_CHECKED, "safetensors files are not loaded"
    for candidate, why in interpreter.candidates(None):
        found = interpreter.ask(candidate, why)
        if found is not None and found.torch:
            return _load(found.path, path)
    return NOT_CHECKED, "there is no torch in this environment"


def _load(python: str, path: Path) -> tuple[str, str]:
    try:
        done = subprocess.run(
            [python, "-c", _LOAD, str(path)], stdin=subprocess.DEVNULL, capture_output=True, timeout=LOAD_SECONDS
        )
    except subprocess.TimeoutExpired:
        return NOT_CHECKED, f"loading took longer than {LOAD_SECONDS:.0f} s"
    except OSError:
        return NOT_CHECKED, "Python could not be started"
    if done.returncode == 0:
        return "yes", "torch.load with weights_only=True"
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
    return "no", f"torch.load with weights_only=True: {last[0].partition(':')[0][:80] or 'failed'}"
