"""The monitor of a run that is being written: its keys reach the training."""

from __future__ import annotations

import termios
from typing import ClassVar

from textual.binding import BindingType

from dlmon.app.break_text import last_break
from dlmon.app.control import TrainingControl
from dlmon.app.keymap import LIVE
from dlmon.app.screens.monitor import Monitor, bindings
from dlmon.app.settings import Settings
from dlmon.app.source import Frame
from dlmon.errors import reason
from dlmon.state.snapshot import PAUSED


class LiveMonitor(Monitor):
    """Adds pause, step, leave and stop."""

    mode = LIVE
    BINDINGS: ClassVar[list[BindingType]] = bindings(LIVE)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.control = TrainingControl(settings.folder)
        self._terminal_size: tuple[int, int] | None = None
        self._broke_at: float | None = None  # the break whose facts were shown

    def show(self, frame: Frame) -> None:
        super().show(frame)
        self._open_at_break()

    def _open_at_break(self) -> None:
        """A condition has paused the training: show why, once, unless something else is open."""
        view = self.frame.view
        if view is None or view.snapshot.state != PAUSED or self.app.screen is not self:
            return
        found = last_break(view.snapshot)
        if (
            found is None
            or found.condition is None
            or self._broke_at == found.t
            or found.step + 1 != view.snapshot.step
        ):
            return
        self._broke_at = found.t
        self.action_pause_facts()

    def pause_answered(self, answer: str | None) -> None:
        from dlmon.app.screens.pause import CONSOLE, GO_ON, STEP

        if answer == CONSOLE:
            self.action_console()
        elif answer == GO_ON:
            self.action_pause()
        elif answer == STEP:
            self.action_step()

    def on_resize(self) -> None:
        """The window was resized (the first size is not a change: another screen may have set it)."""
        size = (self.app.size.height, self.app.size.width)
        if self._terminal_size is not None and self._terminal_size != size and not self.over:
            self.control.resize(*size)
        self._terminal_size = size

    def action_pause(self) -> None:
        self.say("the run is over" if self.over else self.control.toggle_pause())

    def action_step(self) -> None:
        self.say("the run is over" if self.over else self.control.one_step())

    def action_console(self) -> None:
        """Give this terminal to the training until Ctrl-]."""
        if self.over:
            self.say("the run is over: nothing reads what is typed")
            return
        from textual.app import SuspendNotSupported

        from dlmon.app.console import RawConsole

        try:
            with self.app.suspend():
                said = RawConsole(self.settings.folder).visit()
        except SuspendNotSupported:
            said = "this terminal cannot be given to the training"
        except OSError as error:
            said = f"the console cannot be opened: {reason(error)}"
        except termios.error as error:  # no OSError, unlike its neighbours
            said = f"the console cannot be opened: {error}"
        self.say(said)

    def action_leave(self) -> None:
        if self.over:
            self.app.exit(self._exit_code())
            return
        from dlmon.app.screens.dialogs import Leave

        view = self.frame.view
        paused = view is not None and view.snapshot.state == PAUSED
        dialog = Leave(self.settings.name, paused, self.palette.styles(), self.settings.glyphs)
        self.app.push_screen(dialog, self._answered)

    def _answered(self, answer: str | None) -> None:
        from dlmon.app.screens.dialogs import LEAVE, STOP

        if answer == LEAVE:
            self.app.exit(self._exit_code() if self.over else None)  # it may have ended while the question stood
        elif answer == STOP:
            self.say(self.control.stop())

    def _exit_code(self) -> int:
        """The training's own; 1 where it is not known."""
        snapshot = self.frame.view.snapshot if self.frame.view else None
        return snapshot.exit_code if snapshot is not None and snapshot.exit_code is not None else 1

    def on_unmount(self) -> None:
        self.control.close()
