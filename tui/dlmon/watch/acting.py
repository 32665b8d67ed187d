"""What a met condition does to the training: it pauses, or it is stopped at the end of a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dlmon import text
from dlmon.errors import UserError
from dlmon.launch import requests
from dlmon.watch.conditions import Met
from dlmon.watch.orders import BREAK
from dlmon_probes.control import PAUSED, ControlPage

BOUNDARY_SECONDS = 60.0  # a step that takes longer than this is interrupted in its middle
_POLL_SECONDS = 0.02


def reason(met: Met) -> str:
    """`loss > 10` at step 62 (loss 12.3)."""
    return f"`{text.clean(met.condition.text)}` at step {text.count(met.step)} ({met.values})"


def paused(met: Met) -> str:
    """Of a training that has paused by itself."""
    return f"the training paused: {reason(met)}; space lets it go on"


class Acting:
    """The hands of the watcher in one run. over: tells whether the run has ended, so that waiting ends with it."""

    def __init__(self, folder: Path, over: Callable[[], bool]) -> None:
        self._folder, self._over = folder, over
        self.stopped = False

    def act(self, met: Met) -> str:
        """Do it; the line that says so. Once the training was stopped nothing more is done: ""."""
        if self.stopped:
            return ""
        because = reason(met)
        try:
            page = ControlPage(str(self._folder))
        except (OSError, ValueError):
            return f"cannot act on {because}: the run has no control page"
        try:
            page.pause()
            if met.action == BREAK:
                return f"asked the training to pause: {because}; space lets it go on"
            return self._stop(page, because)
        finally:
            page.close()

    def _stop(self, page: ControlPage, because: str) -> str:
        """SIGINT while the training waits between two steps, so that no update is cut in half."""
        end = time.monotonic() + BOUNDARY_SECONDS
        while not page.read(PAUSED) and time.monotonic() < end and not self._over():
            time.sleep(_POLL_SECONDS)
        try:
            requests.stop(self._folder, by=f"--stop-when {text.clean(because)}")
        except UserError as error:
            return f"cannot stop the training on {because}: {error}"
        finally:
            page.resume()
        self.stopped = True
        return f"asked the training to stop: {because}"
