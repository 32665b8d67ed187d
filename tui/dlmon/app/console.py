"""The raw console: this terminal's keys go to the training's terminal, and what that one prints comes here as it is.

So `input()`, `breakpoint()`, prompts and Ctrl-C work as if the script had been started by hand. The last row is kept
for a bar that says how to come back. The training prints into its log as ever, so that other screens see the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from dlmon import text
from dlmon.errors import UserError
from dlmon.launch import requests
from dlmon.launch.ended import Ending
from dlmon.record import layout
from dlmon.record.output import OutputTail

WAY_BACK = b"\x1d"  # Ctrl-], as of telnet: no editor, shell or debugger wants it
WAY_BACK_NAME = "Ctrl-]"

_POLL_SECONDS = 0.03
_QUIET_SECONDS = 0.2  # silence after which the bar is drawn again: a program may have cleared the screen
_LOOK_SECONDS = 0.5  # between looks whether the run is over
_FEWEST_ROWS = 4  # a terminal lower than this has no row to spare for the bar
_READ = 1 << 16
_MOST_BLANKS = 16

# What programs switch on and may leave on: mouse, bracketed paste, application keys, the other screen, a scroll region.
_RESTORE = "\x1b[r\x1b[0m\x1b[?25h\x1b[?1000;1002;1003;1006;2004;1049;1l\x1b>"
_KEEP_TITLE, _OLD_TITLE = "\x1b[22;0t", "\x1b[23;0t"


class RawConsole:
    """One visit. keys, screen: descriptors of this terminal."""

    def __init__(self, folder: Path, *, keys: int = 0, screen: int = 1) -> None:
        self._folder, self._keys, self._screen = folder, keys, screen
        self._ending = Ending(folder)
        self._log = -1
        self._size = (0, 0)  # rows, columns
        self._printed_at = self._looked_at = time.monotonic()
        self._bar_is_old = False

    def visit(self) -> str:
        """Stay until Ctrl-], or the end of the run; the line that says why it is over. The terminal is as before."""
        before = termios.tcgetattr(self._keys)
        try:
            with _ended_by_signals():
                tty.setraw(self._keys, termios.TCSANOW)
                self._enter()
                return self._stay()
        finally:
            self._write((_RESTORE + self._without_bar() + _OLD_TITLE + "\r\n").encode())
            termios.tcsetattr(self._keys, termios.TCSAFLUSH, before)
            if self._log >= 0:
                os.close(self._log)
            self._give_size(*os.get_terminal_size(self._screen)[::-1])

    # ---- coming

    def _enter(self) -> None:
        """Clear, take the size, show what was printed last with the line that stands unfinished."""
        name = text.clean(self._folder.name)
        title = f"{name}: keys go to the training, {WAY_BACK_NAME} comes back"
        self._write(f"{_KEEP_TITLE}\x1b]2;{title}\x07\x1b[2J\x1b[H".encode())
        self._follow_size()
        tail = OutputTail(self._folder)
        self._log = os.open(self._folder / layout.OUTPUT, os.O_RDONLY | os.O_CLOEXEC)
        end = os.fstat(self._log).st_size
        while tail.poll(until=end):
            continue
        blanks = self._blanks_before(end)
        os.lseek(self._log, end, os.SEEK_SET)
        rows = max(1, self._size[0] - 3)
        shown = [line[: self._size[1] - 1] for line in list(tail.lines)[-rows:]]
        # Without its escape sequences: an old question to the terminal would be answered into the training.
        self._write("".join(f"{line}\r\n" for line in shown).encode() + tail.partial.encode() + blanks)
        self._draw_bar()

    def _blanks_before(self, end: int) -> bytes:
        """The blanks behind a prompt, which a line of text does without: the cursor is to stand where it stood."""
        start = max(0, end - _MOST_BLANKS)
        data = os.pread(self._log, end - start, start)
        return data[len(data.rstrip(b" ")) :]

    # ---- staying

    def _stay(self) -> str:
        while True:
            readable = select.select([self._keys], [], [], _POLL_SECONDS)[0]
            if readable and (reason := self._pass_keys()):
                return reason
            self._pass_output()
            self._follow_size()
            if self._is_over():
                while self._pass_output():
                    continue
                return "the training has ended"

    def _pass_keys(self) -> str:
        """Type what was pressed; why the visit is over, "" if it is not."""
        try:
            data = os.read(self._keys, _READ)
        except OSError:
            data = b""
        if not data:
            return "the terminal gave no more keys"
        typed, way_back, _ = data.partition(WAY_BACK)
        if typed:
            try:
                requests.type_input(self._folder, typed)
            except UserError as error:
                return str(error)
        return "back from the console" if way_back else ""

    def _pass_output(self) -> bool:
        data = os.read(self._log, _READ)
        now = time.monotonic()
        if data:
            self._write(data)
            self._printed_at, self._bar_is_old = now, True
        elif self._bar_is_old and now - self._printed_at > _QUIET_SECONDS:
            self._draw_bar()
        return bool(data)

    def _is_over(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return self._ending.manifest() is not None

    # ---- the terminal

    def _follow_size(self) -> None:
        columns, rows = os.get_terminal_size(self._screen)
        if (rows, columns) == self._size:
            return
        old, self._size = self._size[0], (rows, columns)
        if _FEWEST_ROWS <= old < rows:  # the old bar would stand among what is printed
            self._write(f"\x1b7\x1b[{old};1H\x1b[2K\x1b8".encode())
        self._give_size(rows - 1 if rows >= _FEWEST_ROWS else rows, columns)
        self._draw_bar()

    def _give_size(self, rows: int, columns: int) -> None:
        with contextlib.suppress(UserError):  # nobody is left who could take it
            requests.resize(self._folder, rows, columns)

    def _draw_bar(self) -> None:
        """The last row, outside the region that scrolls; the cursor stays where the training has it."""
        self._bar_is_old = False
        rows, columns = self._size
        if rows < _FEWEST_ROWS:
            return
        words = f" {WAY_BACK_NAME} back to dlmon · keys go to {text.clean(self._folder.name)}"
        bar = f"\x1b[0;7m{words[:columns]:<{columns}}\x1b[0m"
        self._write(f"\x1b7\x1b[1;{rows - 1}r\x1b[{rows};1H{bar}\x1b8".encode())

    def _without_bar(self) -> str:
        """Takes the bar away: it would stand in the shell after the screen is left, and say what is no longer so."""
        rows = self._size[0]
        return f"\x1b7\x1b[{rows};1H\x1b[2K\x1b8" if rows >= _FEWEST_ROWS else ""

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._screen, view) :]
        except OSError:  # the terminal is gone; reading keys says so next
            return


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A signal that would end this process leaves by an exception, so that the terminal is put back first."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
