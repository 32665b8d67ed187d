"""The process that runs a training: holds its terminal, drains it, records, samples, passes signals on, waits.

Started detached by `launch.start`; outlives every screen. Three processes share the work so that no single kill ends
the training: the guardian (`launch.guardian`), this supervisor, and the training itself.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import time
from pathlib import Path

from dlmon.launch import child, guardian, requests, terminal
from dlmon.launch.recorder import EventLog, note
from dlmon.launch.supervision import Supervision
from dlmon.record.manifest import Manifest, read_manifest
from dlmon_probes.events import SCHEMA, Hello, Launch


def main() -> None:
    """`supervisor FOLDER ROWS COLUMNS pass|terminal -- COMMAND…`; returns in no process."""
    code = 1
    try:
        folder, rows, columns, stdin = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
        if os.fork():  # whoever started this need not wait
            os._exit(0)
        code = _supervise(folder, rows, columns, sys.argv[6:], keep_stdin=stdin == "pass")
    except BaseException as error:
        note(f"the supervisor failed: {type(error).__name__}: {error}")
        raise
    finally:
        os._exit(code)


def _supervise(folder: Path, rows: int, columns: int, command: list[str], *, keep_stdin: bool) -> int:
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    master, slave = terminal.open_pair(rows, columns)
    inbox = requests.create(folder)
    if inbox is None:
        note("no named pipe can be made here: screens cannot stop the training or type into it")
    ward = guardian.Ward()

    def supervise() -> None:
        _run(folder, command, master, slave, inbox, ward, keep_stdin=keep_stdin)

    def take_over() -> None:
        note("the supervisor was killed; its guardian goes on in its place")
        _watch(folder, master, inbox, ward, reaper=os.getpid())

    def let_go() -> None:
        os.close(slave)
        _close_stdin()

    return guardian.guard(supervise, take_over, let_go, ward)


def _run(
    folder: Path,
    command: list[str],
    master: int,
    slave: int,
    inbox: int | None,
    ward: guardian.Ward,
    *,
    keep_stdin: bool,
) -> None:
    """Start the training and stay with it."""
    manifest = _manifest(folder)
    started = time.time()
    env = child.environment(os.environ, folder, manifest.overhead, manifest.created or started)
    events = EventLog(folder)
    events.write(_hello(started, command))
    ward.child = child.start(command, env, slave, keep_stdin=keep_stdin)
    ward.started = started
    events.write(Launch(started, ward.child, manifest.command or command))
    os.close(slave)
    _close_stdin()
    _watch(folder, master, inbox, ward, reaper=os.getppid() if ward.guarded else None, first=True)


def _watch(
    folder: Path, master: int, inbox: int | None, ward: guardian.Ward, *, reaper: int | None, first: bool = False
) -> None:
    supervision = Supervision(folder, _manifest(folder), master, inbox, ward, reaper=reaper)
    if first:
        supervision.take_stock()
    supervision.run()


def _manifest(folder: Path) -> Manifest:
    return read_manifest(folder) or Manifest(folder.name)


def _hello(now: float, command: list[str]) -> Hello:
    return Hello(
        t=now,
        schema=SCHEMA,
        role="supervisor",
        pid=os.getpid(),
        host=platform.node(),
        ppid=os.getppid(),
        python=platform.python_version(),
        argv=[os.fsencode(word).decode("utf-8", "replace") for word in command],
        cwd=str(Path.cwd()),
    )


def _close_stdin() -> None:
    """Only the training may read what was piped in, and its end must reach whoever writes it."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
