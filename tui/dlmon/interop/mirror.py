"""The live mirror: a process beside a run that writes what its log gains as TensorBoard events, until it is over.

It reads the log as a screen does, in a session of its own: it goes on when the screen is left, and the training does
not know of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import dlmon
import dlmon_probes
from dlmon.errors import UserError, reason
from dlmon.interop.writers.table import LiveRows
from dlmon.interop.writers.tensorboard import EventWriter, file_name
from dlmon.launch.ended import Ending

LOG = "tensorboard.log"
POLL_SECONDS = 0.25
FLUSH_SECONDS = 1.0  # TensorBoard looks every 5 s
LAST_SECONDS = 30.0  # for what is left to write at the end of the run

# As of the supervisor: `-m` would put the user's folder in front of the standard library.
_BOOT = (
    "import sys; sys.path[:1] = []; sys.path += sys.argv.pop(1).split('\\n'); "
    "from dlmon.interop.mirror import main; main()"
)


class Mirroring:
    """A mirror that was started. It goes on by itself when this process ends."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder

    def finish(self) -> list[str]:
        """Wait for its end, which follows that of the run; lines with what it had to complain of."""
        try:
            code = self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return ["the TensorBoard events are still being written"]
        return [f"the TensorBoard events are not complete; the reason is in {self._folder.name}/{LOG}"] if code else []


def check(target: str | None) -> Path | None:
    """The folder as an absolute path. Raises UserError where events of another run would be mixed with ours."""
    if target is None:
        return None
    folder = Path(target).expanduser().absolute()
    refuse_events(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {target} for TensorBoard: {reason(error)}") from None
    return folder


def refuse_events(folder: Path) -> None:
    """Raises UserError for a folder that holds event files, and for what is no folder."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot write TensorBoard events to {folder}: {reason(error)}; give a folder") from None
    if any("tfevents" in name for name in names):
        raise UserError(f"{folder} holds event files already: remove them, or choose another folder")


def start(run: Path, target: Path) -> Mirroring:
    """Mirror the run in folder `run` into folder `target`. Raises OSError."""
    roots = "\n".join(
        sorted({str(Path(module.__file__ or "").resolve().parents[1]) for module in (dlmon, dlmon_probes)})
    )
    log = os.open(run / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, roots, str(run), str(target)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
    return Mirroring(process, run)


class OnePointAStep:
    """Numbers on their way to TensorBoard: of each name by step, and one for a step, which is drawn as a zigzag else.

    Of several in one step the last one counts that comes before it is written.
    """

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self._waiting: dict[str, tuple[int, float, float]] = {}  # step, unix seconds, value; the last one of each name
        self._written: dict[str, int] = {}  # step of the last point of each name

    def add(self, t: float, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            before = self._waiting.get(name)
            if before is not None and step > before[0]:
                self._write(name)
            elif before is not None and step < before[0]:
                continue
            if step > self._written.get(name, -1):
                self._waiting[name] = step, t, value

    def flush(self) -> None:
        """Write what waits. Raises OSError."""
        for name in list(self._waiting):
            self._write(name)
        self._writer.flush()

    def _write(self, name: str) -> None:
        step, t, value = self._waiting.pop(name)
        self._written[name] = step
        self._writer.add(t, step, {name: value})


def mirror(run: Path, target: Path) -> int:
    """Until the run is over and all of it is written; how many points. Raises OSError."""
    ending, rows = Ending(run), LiveRows(run)
    began = time.time()
    with (target / file_name(began)).open("xb") as file:
        writer = EventWriter(file, began)
        writer.flush()
        points = OnePointAStep(writer)
        flushed = time.monotonic()
        over = False
        while True:
            parts = rows.read()
            for _, step, t, values in parts or ():
                points.add(t, step, values)
            now = time.monotonic()
            if now - flushed >= FLUSH_SECONDS or (over and parts is None):
                points.flush()
                flushed = now
            if parts is not None:
                continue
            if over:
                return writer.points
            over = ending.manifest() is not None
            if not over:
                time.sleep(POLL_SECONDS)


def main() -> None:
    """`mirror RUN TARGET`."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # it ends with the run, not with whoever started it
    mirror(Path(sys.argv[1]), Path(sys.argv[2]))
