"""Starts the watcher of a run, and waits for its last words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dlmon
import dlmon_probes
from dlmon.watch.orders import Orders
from dlmon.watch.simple import write

LAST_SECONDS = 70.0  # a command of --on-finding that began at the end of the run may take its minute
LOG = "watch.log"

# As of the supervisor: `-m` would put the user's folder in front of the standard library.
_BOOT = (
    "import sys; sys.path[:1] = []; sys.path += sys.argv.pop(1).split('\\n'); "
    "from dlmon.watch.watcher import main; main()"
)


class Watching:
    """A watcher that was started. It goes on by itself when this process ends."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder

    def finish(self) -> list[str]:
        """Wait for its end, which follows that of the run; lines with what it had to complain of."""
        try:
            told, _ = self._process.communicate(timeout=LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return [f"the watcher of --on-finding still runs; its output is in {self._folder.name}/{LOG}"]
        lines = told.splitlines()
        if self._process.returncode:
            lines.append(f"the watcher of the conditions failed; the reason is in {self._folder.name}/{LOG}")
        return lines


def start(folder: Path, orders: Orders) -> Watching | None:
    """Watch the run in `folder`; None where nothing was asked for. Raises OSError."""
    if not orders.any:
        return None
    write(folder, orders)
    roots = "\n".join(
        sorted({str(Path(module.__file__ or "").resolve().parents[1]) for module in (dlmon, dlmon_probes)})
    )
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, roots, str(folder), orders.encoded()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True,
        )  # fmt: skip
    finally:
        os.close(log)
    return Watching(process, folder)
