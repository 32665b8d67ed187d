"""How facts leave the training process: a queue, and a thread that writes it to a file four times a second.

The thread is started below `threading`, so that the program's own view of its threads does not change, and is put
away around every fork: a fork in a process with a second thread warns from Python 3.12 on, and could copy a held lock.
"""

from __future__ import annotations

import _thread
import json
import math
import os
from collections import deque
from dataclasses import fields, is_dataclass
from typing import Any, Callable, Optional

FLUSH_SECONDS = 0.25
MAX_WAITING = 2_000  # lines kept while the process is not known to train; the oldest go first

Source = Callable[[], None]


def _fields_of(value: Any) -> Any:
    return value.__dict__ if is_dataclass(value) else str(value)


_FAST = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, default=_fields_of)
_STRICT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """An event as JSON values; NaN and infinities become "nan", "inf", "-inf"."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return str(value)


def encode(event: Any) -> bytes:
    """One line of the log. The kind comes first: the reader takes it from there."""
    try:
        body = _FAST.encode(event.__dict__)
    except (ValueError, TypeError):  # NaN, or keys that are not strings: 20 times slower, and rare
        body = _STRICT.encode(plain(event))
    return f'{{"k":"{event.kind}",{body[1:]}\n'.encode("ascii")


class Channel:
    """A queue of events and of lazily made ones, and the file they end up in.

    `put` may be called from any thread and costs an append. Until `open` is called nothing is written. `sources` are
    called by the writing thread before each write, to bring what they have gathered (step rows, finished copies).
    """

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._queue: deque[Any] = deque()
        self._fd: Optional[int] = None
        self._report = report
        self._sources: list[tuple[str, Source]] = []
        self.running = False
        self._wake = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._writing = _thread.allocate_lock()
        self.lost: Optional[str] = None

    def put(self, event: Any) -> None:
        self._queue.append(event)
        if self._fd is None and len(self._queue) > MAX_WAITING:
            self._queue.popleft()

    def put_first(self, event: Any) -> None:
        self._queue.appendleft(event)

    def add_source(self, name: str, source: Source) -> None:
        self._sources.append((name, source))

    def open(self, path: str) -> None:
        """Create the file (mode 0600) and begin to write. Raises OSError (FileExistsError when it is there)."""
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.ensure_running()

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    # ------------------------------------------------------------ the writing thread

    def ensure_running(self) -> None:
        """Start the thread if the file is open and it does not run (after a fork it does not)."""
        if self.running or self._fd is None:
            return
        self.running = True
        self._wake.acquire()
        self._done.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is shutting down
            self.running = False
            self._wake.release()
            self._done.release()

    def stop(self) -> None:
        """End the thread; returns when it has ended. What is queued stays queued."""
        if not self.running:
            return
        self._wake.release()
        self._done.acquire(timeout=5)
        self.running = False
        self._done.release()

    def _run(self) -> None:
        try:
            while not self._wake.acquire(timeout=FLUSH_SECONDS):
                self.flush()
        finally:
            self._wake.release()
            self._done.release()

    def flush(self) -> None:
        """Collect from the sources and write everything queued. Called by the thread and at exit."""
        with self._writing:
            for name, source in list(self._sources):
                try:
                    source()
                except Exception as error:
                    self._sources.remove((name, source))
                    self._report(name, error)
            self._write()

    def _write(self) -> None:
        if self._fd is None:
            return
        lines: list[bytes] = []
        while self._queue:
            event = self._queue.popleft()
            try:
                lines.append(encode(event))
            except Exception as error:
                self._report("channel", error)
        if not lines:
            return
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:  # a full disk or a lost mount: training goes on, the log ends here
            self.lost = str(error)

    # ------------------------------------------------------------ fork

    def before_fork(self) -> None:
        self.stop()
        self._writing.acquire()

    def after_fork_in_parent(self) -> None:
        # The thread starts again at the next step, not here: Python 3.12 counts threads after this.
        self._writing.release()

    def after_fork_in_child(self) -> None:
        """A child is a bystander until it trains by itself: it owns neither the file nor what was queued."""
        self._writing.release()
        self._queue.clear()
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
