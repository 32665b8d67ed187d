"""A recorded run without a screen: the lines that a headless run would have printed, or its events."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from dlmon.headless.console import Console
from dlmon.headless.events import json_lines
from dlmon.headless.narrator import STATUS_SECONDS, Narrator
from dlmon.headless.output import OutputLines
from dlmon.headless.summary import summary
from dlmon.record.collector import collector_paused
from dlmon.record.reader import Tagged
from dlmon.runs import short
from dlmon.view import RunFollower, View
from dlmon_probes import events

# After these there may be something to say; between them a look every few seconds of the run's time is enough.
_NOTABLE = (events.Phase, events.Evaluation, events.Crash, events.Exit, events.Control)
_BLOCK = 512
# Judging takes ten times as long as everything else between two looks: it is done again when the run is this much
# longer, and at everything notable.
_JUDGE_AGAIN = 0.04


class _Pace:
    """Waits so that the run's time passes `speed` times as fast as the clock; None: as fast as it goes."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None

    @property
    def waits(self) -> bool:
        return self._speed is not None

    def wait_for(self, t: float) -> None:
        if self._speed is None:
            return
        if self._start is None:
            self._start = (t, time.monotonic())
        began, clock = self._start
        ahead = (t - began) / self._speed - (time.monotonic() - clock)
        if ahead > 0:
            time.sleep(ahead)


def replay(folder: Path, *, as_json: bool, speed: float | None = None) -> None:
    """Print a run from its beginning to what is on disk of it. speed: times the real one."""
    console = Console()
    if as_json:
        _replay_events(folder, console, _Pace(speed))
    else:
        _Replay(folder, console, _Pace(speed)).run()
    if console.broken:
        raise BrokenPipeError


def _replay_events(folder: Path, console: Console, pace: _Pace) -> None:
    from dlmon.record.reader import RunReader

    reader = RunReader(folder)
    more = True
    while more and not console.broken:
        with collector_paused():
            batch = reader.read(_BLOCK, math.inf)
            more = batch.more
            if not pace.waits:
                console.raw(json_lines(batch.events))
                continue
        for item in batch.events:
            pace.wait_for(item.event.t)
            console.raw(json_lines([item]))


class _Replay:
    def __init__(self, folder: Path, console: Console, pace: _Pace) -> None:
        self._folder = folder
        self._console = console
        self._pace = pace
        self._follower = RunFollower(folder)
        self._narrator = Narrator()
        self._output = OutputLines(folder)
        self._now = 0.0
        self._began: float | None = None
        self._look_at = 0.0
        self._judge_at = 0.0
        self._judged: View | None = None

    def run(self) -> None:
        self._console.say([f"{self._folder.name}: replay of {short(self._folder)}"])
        more = True
        while more and not self._console.broken:
            with collector_paused():
                batch = self._follower.reader.read(_BLOCK, math.inf)
                more = batch.more
                for item in batch.events:
                    self._take(item)
        self._print_output(until=None)
        self._console.data(self._output.unfinished())
        self._follower.state.corrupt_lines = self._follower.reader.corrupt_lines
        view = self._follower.view()  # at the clock's time: whether it is over is seen by looking
        self._console.say([*self._narrator.look(view), *summary(view, self._folder)])

    def _take(self, item: Tagged) -> None:
        event = item.event
        self._pace.wait_for(event.t)
        self._follower.state.fold(item)
        self._now = max(self._now, event.t)
        if isinstance(event, events.Output):
            self._print_output(until=event.offset)
        notable = isinstance(event, _NOTABLE)
        if notable or self._now >= self._look_at:
            self._look_at = self._now + STATUS_SECONDS
            self._console.say(self._narrator.look(self._view(notable)))

    def _view(self, judge: bool) -> View:
        """The run now. judge: the checks are to look at it, whenever they did last."""
        if self._began is None:
            self._began = self._now
        if judge or self._judged is None or self._pace.waits or self._now >= self._judge_at:
            self._judge_at = self._now + _JUDGE_AGAIN * (self._now - self._began)
            self._judged = self._follower.view(self._now)
            return self._judged
        return replace(self._judged, snapshot=self._follower.state.snapshot(self._now))

    def _print_output(self, until: int | None) -> None:
        self._console.data(self._output.more(until))
        while self._output.behind and not self._console.broken:
            self._console.data(self._output.more(until))
