"""The ordinary monitor on the full run; leaving it goes back to the checklist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dlmon.app.rehearsal.styled import Appearance
from dlmon.app.screens.live import LiveMonitor
from dlmon.app.source import Frame
from dlmon.state.snapshot import PAUSED


class FullMonitor(LiveMonitor):
    """folder: the full run's. first: what is known of it already. stop: asks its driver to stop it."""

    def __init__(self, folder: Path, appearance: Appearance, first: Frame, stop: Callable[[], object]) -> None:
        super().__init__(replace(appearance.settings, folder=folder, theme=appearance.palette.name))
        self.appearance, self._first, self._stop = appearance, first, stop

    def on_mount(self) -> None:
        self.show(self._first)

    def action_theme(self) -> None:
        super().action_theme()
        self.appearance.palette = self.palette

    def action_leave(self) -> None:
        if self.over:
            self.dismiss()
            return
        from dlmon.app.rehearsal.dialogs import LeaveFull

        view = self.frame.view
        paused = view is not None and view.snapshot.state == PAUSED
        dialog = LeaveFull("the full run", paused, self.palette.styles(), self.settings.glyphs)
        self.app.push_screen(dialog, self._answered)

    def _answered(self, answer: str | None) -> None:
        from dlmon.app.screens.dialogs import LEAVE, STOP

        if answer == LEAVE:
            self.dismiss()
        elif answer == STOP:
            self._stop()
            self.control.resume()  # a paused one could not hear it
            self.say("asked the full run to stop")
