"""Follows a run without a screen until it is over: its output to stdout, what happens to stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from dlmon.headless.console import Console
from dlmon.headless.events import json_lines
from dlmon.headless.narrator import Narrator
from dlmon.headless.output import OutputLines
from dlmon.headless.summary import summary
from dlmon.launch.ended import Ending
from dlmon.launch.forwarding import Forwarder
from dlmon.record import layout
from dlmon.record.reader import Tagged
from dlmon.runs import short
from dlmon.view import RunFollower

POLL_SECONDS = 0.1
PROMPT_SECONDS = 1.0  # an unfinished line that stands this long is more than a print under way
LOOK_SECONDS = 0.5  # between looks of the narrator; judging costs more than reading


def follow(folder: Path, *, as_json: bool, forwarder: Forwarder | None = None) -> int | None:
    """Stay with a run until it is over; the exit code of the training, None when that is not known.

    forwarder: of a process that stands for the training, and passes its signals on.
    """
    console = Console()
    ending = Ending(folder)
    shown = _Shown(folder, console, as_json=as_json)
    console.say([f"{folder.name}: recording in {short(folder)}"])
    while (last := ending.manifest()) is None:
        if forwarder is not None:
            console.say(f"SIG{name} passed on to the training" for name in forwarder.send(folder))
        if not shown.advance():
            time.sleep(POLL_SECONDS)
    shown.finish()
    if last.outcome is None:
        console.say(_lost(folder))
        return None
    return last.outcome.code


class _Shown:
    """What has been read and printed of the run."""

    def __init__(self, folder: Path, console: Console, *, as_json: bool) -> None:
        self._folder = folder
        self._console = console
        self._output = None if as_json else OutputLines(folder)
        self._follower = RunFollower(folder, tap=self._print_events if as_json else None)
        self._narrator = Narrator()
        self._look_at = 0.0
        self._partial, self._partial_since = "", 0.0

    def _print_events(self, events: Sequence[Tagged]) -> None:
        if events:
            self._console.raw(json_lines(events))

    def advance(self) -> bool:
        """Read and print what is new; true if there may be more at once."""
        self._print_output()
        more = self._follower.advance()
        if time.monotonic() >= self._look_at and not more:
            self._console.say(self._narrator.look(self._follower.view()))
            self._look_at = time.monotonic() + LOOK_SECONDS
        return more or (self._output is not None and self._output.behind)

    def _print_output(self) -> None:
        if self._output is not None:
            self._console.data(self._output.more())
            self._mention_prompt(self._output.partial.strip())

    def _mention_prompt(self, partial: str) -> None:
        """Lines are printed when they are complete; a prompt never is, and whoever waits should know for what."""
        now = time.monotonic()
        if partial != self._partial:
            self._partial, self._partial_since = partial, now
        elif partial and now - self._partial_since >= PROMPT_SECONDS:
            self._console.say([f"the output stands at an unfinished line: {partial[:200]}"])
            self._partial_since = float("inf")

    def finish(self) -> None:
        """The rest, and the summary."""
        while self.advance():
            continue
        if self._output is not None:
            self._console.data(self._output.unfinished())
        view = self._follower.view()
        self._console.say([*self._narrator.look(view), *summary(view, self._folder)])


def _lost(folder: Path) -> list[str]:
    lines = ["the run ended without a record: its supervisor is gone, and the exit code is not known"]
    try:
        log = (folder / layout.SUPERVISOR_LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        log = []
    return lines + [f"the supervisor's last words: {line}" for line in log[-1:]]
