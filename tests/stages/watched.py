"""Rehearses a script in a folder, and tells whether anything in it has changed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from dlmon_probes.stages.plan import JOURNAL, Plan
from tests.probes.injected import Run, run_script

OURS = ("run", "train.py")  # what the test itself puts there

Facts = tuple[int, int, int, str]


def state(folder: Path) -> dict[str, Facts]:
    """Mode, size, time of change and contents of everything below a folder. A folder's time of change tells of a file
    that was made and removed again; the top folder's is left out, because the test itself writes there."""
    found: dict[str, Facts] = {}
    for top, folders, files in os.walk(folder):
        if Path(top) == folder:
            folders[:] = [name for name in folders if name not in OURS]
            files = [name for name in files if name not in OURS]
        for name in (*folders, *files):
            path = Path(top, name)
            status = path.lstat()
            contents = ""
            if stat.S_ISREG(status.st_mode):
                contents = hashlib.sha256(path.read_bytes()).hexdigest()
            elif stat.S_ISLNK(status.st_mode):
                contents = str(path.readlink())
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            found[str(path.relative_to(folder))] = (status.st_mode, size, status.st_mtime_ns, contents)
    return found


def rehearse(folder: Path, source: str, *arguments: str, stage: str = "smoke", **more: Any) -> Run:
    """Run `source` as train.py in `folder` as a stage of a rehearsal."""
    return run_script(folder, source, *arguments, DLMON_STAGE=Plan(stage).encoded(), **more)


def journal(run: Run) -> list[dict[str, Any]]:
    path = run.folder / JOURNAL
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
