"""The monitor of a run that is being written: its keys reach the training."""

from __future__ import annotations

import termios
from typing import ClassVar

from textual.binding import BindingType

from dlmon.app.control import TrainingControl
from dlmon.app.keymap import LIVE
from dlmon.app.screens.monitor import Monitor, bindings
from dlmon.app.settings import Settings
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
