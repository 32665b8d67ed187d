"""A run that is started before its turn and waits for it, or is stopped when its turn does not come."""

from __future__ import annotations

import time
from pathlib import Path

from dlmon.errors import UserError
from dlmon.launch import requests
from dlmon.record.manifest import read_manifest
from dlmon.rehearsal import sources

STOP_SECONDS = 5.0  # for a run that has nothing to lose


class Started:
    """A run that was started in advance."""

    def __init__(self, stage: str, folder: Path, now: sources.Sources) -> None:
        self.stage, self.folder, self.sources = stage, folder, now

    def stop(self) -> None:
        """Ask it to end: it has nothing to lose."""
        _stop(self.folder)

    def wait(self) -> None:
        """Return once it has ended; after STOP_SECONDS whatever became of it."""
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and not _is_over(self.folder):
            time.sleep(0.02)


def _stop(folder: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.stop(folder, grace=0.3, by="the rehearsal")
            return
        except UserError:  # its supervisor is only just starting, or it is over
            if (folder / "run.json").exists() and _is_over(folder):
                return
            time.sleep(0.05)


def _is_over(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.outcome is not None
