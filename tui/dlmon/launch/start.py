"""Starts a run: its folder, and the detached supervisor that runs the training in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dlmon
import dlmon_probes
from dlmon.errors import UserError, reason
from dlmon.launch import folder as folders
from dlmon.launch import terminal
from dlmon.launch.command import Command
from dlmon.record import layout

# Not `-m`: that would put the user's folder in front of the standard library, and a `select.py` there would be ours.
_BOOT = (
    "import sys; sys.path[:1] = []; sys.path += sys.argv.pop(1).split('\\n'); "
    "from dlmon.launch.supervisor import main; main()"
)


@dataclass(frozen=True)
class Started:
    """A run that was started. starter: the short-lived process between this one and the supervisor."""

    folder: Path
    starter: subprocess.Popen[bytes]

    def reap(self) -> None:
        """Wait for the starter, which ends as soon as the supervisor is on its own."""
        self.starter.wait()


def start(
    command: Command,
    runs: Path,
    *,
    name: str | None = None,
    overhead: float = 0.01,
    exact: bool = False,
    variables: Callable[[Path], Mapping[str, str]] | None = None,
    keep_stdin: bool | None = None,
) -> Started:
    """Make the run folder and start the supervisor in it; returns before the training runs. Raises UserError.

    exact: the folder is called `name`, without the time. variables: gives further ones for the training's environment,
    from the run folder. keep_stdin: whether the training reads this process's stdin (None: if it is no terminal).
    """
    folder = folders.create(runs, command, name=name, overhead=overhead, exact=exact)
    if keep_stdin is None:
        keep_stdin = not terminal.is_terminal(0) and _is_open(0)
    rows, columns = terminal.size_here()
    options = [str(folder), str(rows), str(columns), "pass" if keep_stdin else "terminal"]
    roots = "\n".join(
        sorted({str(Path(module.__file__ or "").resolve().parents[1]) for module in (dlmon, dlmon_probes)})
    )
    try:
        log = os.open(folder / layout.SUPERVISOR_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            starter = subprocess.Popen(
                [sys.executable, "-c", _BOOT, roots, *options, "--", *command.child],
                stdin=None if keep_stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(variables(folder) if variables is not None else {})},
                start_new_session=True,
                close_fds=False,  # `train.py --config <(make_config)` hands over a descriptor beyond 2
            )
        finally:
            os.close(log)
    except OSError as error:
        raise UserError(f"cannot start the supervisor of {folder}: {reason(error)}") from None
    return Started(folder, starter)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
