"""Whether a run is over: it has an outcome, or nobody supervises it any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dlmon.launch import processes, requests
from dlmon.record.manifest import Manifest, read_manifest

ORPHAN_SECONDS = 3.0  # time for the guardian to take over before a run counts as lost
START_SECONDS = 15.0


class Ending:
    """Tells when a run is over: it has an outcome, or nobody supervises it any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._orphaned: float | None = None
        self._began = time.monotonic()

    def manifest(self) -> Manifest | None:
        """The manifest once the run is over, None before."""
        manifest = read_manifest(self._folder)
        if manifest is None or manifest.outcome is not None:
            return manifest
        elsewhere = manifest.host not in ("", os.uname().nodename)  # then only its outcome can tell
        return manifest if not elsewhere and self._abandoned(manifest) else None

    def _abandoned(self, manifest: Manifest) -> bool:
        now = time.monotonic()
        pid = manifest.supervisor_pid
        if requests.supervised(self._folder) or (pid is not None and processes.exists(pid)):
            self._orphaned = None
            return False
        if pid is None:
            return now - self._began > START_SECONDS
        if self._orphaned is None:
            self._orphaned = now
        return now - self._orphaned > ORPHAN_SECONDS
