"""The names of the files in a run folder."""

from __future__ import annotations

import re
from pathlib import Path

MANIFEST = "run.json"
HOST = "host.jsonl"
OUTPUT = "output.log"
SUPERVISOR_LOG = "supervisor.log"
SOURCE = "source"
GIT_DIFF = "git.diff"
CONTROL = "control"

SUPERVISOR_RANK = -1  # the rank under which the supervisor's own events travel

_RANK_FILE = re.compile(r"rank(\d{1,9})(?:-(\d{1,12}))?\.jsonl")


def rank_file(rank: int, pid: int | None = None) -> str:
    """The log of one training process; with `pid` where another process of that rank has the plain name."""
    return f"rank{rank}.jsonl" if pid is None else f"rank{rank}-{pid}.jsonl"


def rank_of(name: str) -> int | None:
    """The rank that a file name speaks of, None for any other file."""
    match = _RANK_FILE.fullmatch(name)
    return int(match.group(1)) if match else None


def log_files(folder: Path) -> list[str]:
    """Names of all event logs in a run folder: the supervisor's first, then by rank. Empty where nothing is there."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    ranked = sorted((rank, name) for name in names if (rank := rank_of(name)) is not None)
    return [HOST] * (HOST in names) + [name for _, name in ranked]
