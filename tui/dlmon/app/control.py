"""What keys ask of the training: pause, one step, stop. Each answer is one line for the person at the screen."""

from __future__ import annotations

from pathlib import Path

from dlmon.errors import UserError
from dlmon_probes.control import PAUSE, ControlPage


class TrainingControl:
    """The controls of one live run. Nothing here raises: a request that cannot be passed on says why."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._page: ControlPage | None = None

    def toggle_pause(self) -> str:
        page = self._open()
        if page is None:
            return "cannot pause: the run has no control page"
        if page.read(PAUSE):
            page.resume()
            return "the training goes on"
        page.pause()
        return "asked the training to pause at its next step; space lets it go on"

    def one_step(self) -> str:
        page = self._open()
        if page is None:
            return "cannot step: the run has no control page"
        if not page.read(PAUSE):
            page.pause()
            return "asked the training to pause at its next step; then . does one step"
        page.grant_step()
        return "one step"

    def resume(self) -> None:
        """Let a paused training go on, so that it can hear a request to stop."""
        page = self._open()
        if page is not None and page.read(PAUSE):
            page.resume()

    def stop(self) -> str:
        from dlmon.launch import requests

        try:
            requests.stop(self._folder)
        except UserError as error:
            return str(error)
        self.resume()
        return f"asked it to stop: SIGINT now, SIGTERM after {requests.GRACE_SECONDS:.0f} s, then SIGKILL"

    def resize(self, rows: int, columns: int) -> None:
        """Give the training's terminal the size of this one. Of no importance where nobody listens any more."""
        from dlmon.launch import requests

        try:
            requests.resize(self._folder, rows, columns)
        except UserError:
            return

    def _open(self) -> ControlPage | None:
        if self._page is None:
            try:
                self._page = ControlPage(str(self._folder))
            except (OSError, ValueError):
                return None
        return self._page

    def close(self) -> None:
        if self._page is not None:
            self._page.close()
            self._page = None
