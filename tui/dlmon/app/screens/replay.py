"""The monitor of a run that is played again: its keys move in time."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from dlmon.app.keymap import REPLAY
from dlmon.app.prompt import Prompt
from dlmon.app.replay import ReplaySource
from dlmon.app.screens.monitor import Monitor, bindings
from dlmon.app.settings import Settings


class ReplayMonitor(Monitor, inherit_bindings=False):
    """Adds play, speed and seeking."""

    mode = REPLAY
    BINDINGS: ClassVar[list[BindingType]] = bindings(REPLAY)

    def __init__(self, settings: Settings, source: ReplaySource) -> None:
        super().__init__(settings)
        self.source = source

    def action_play(self) -> None:
        self.source.toggle()

    def action_slower(self) -> None:
        self.source.change_speed(0.5)

    def action_faster(self) -> None:
        self.source.change_speed(2.0)

    def action_seek(self, parts: int) -> None:
        self.source.seek_by(parts)

    def action_seek_step(self, steps: int) -> None:
        if self.frame.view is not None:
            self.source.step_by(steps, self.frame.view.snapshot.step)

    def action_finding(self, direction: int) -> None:
        if self.current == "output" and self.output.needle:
            self.output.find(direction)
            return
        found = self.source.to_finding(direction)
        self.say(found.finding.title if found else f"no finding {'after' if direction > 0 else 'before'} this moment")

    def action_goto(self) -> None:
        self._ask(Prompt("go to step:", "", self._go_to, hint="enter goes, esc stays"))

    def _go_to(self, text: str) -> None:
        digits = text.replace(",", "").replace(" ", "")
        if digits.isdigit() and len(digits) < 16:
            self.source.hold_at_step(int(digits))
        elif digits:
            self.say(f"“{text}” is not a step: a whole number is")

    def action_leave(self) -> None:
        self.app.exit(0)
