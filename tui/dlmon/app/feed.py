"""The thread between a source and the screen: reading never keeps a key press waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dlmon.app.source import Frame, Source

PERIOD = 0.25  # seconds between two frames at least: 4 Hz
LONGEST_PERIOD = 2.0
REST = 12.0  # × the processor time of a frame is left between two: a screen of a huge model draws less often


class Feed:
    """Polls a source and hands over frames, one at a time: while the last one has not been taken, it is replaced.

    make: builds the source, on the thread, so that what it imports does not delay the first paint.
    ready: called on the feed's thread when a frame waits to be taken. failed: with the error that ended the feed.
    """

    def __init__(
        self, make: Callable[[], Source], ready: Callable[[], object], failed: Callable[[BaseException], object]
    ) -> None:
        self._make, self._ready, self._failed = make, ready, failed
        self._lock = threading.Lock()
        self._waiting: Frame | None = None
        self._wake = threading.Event()
        self._stopped = False
        # A daemon: the screen must be able to leave while a slow disk is being read.
        self._thread = threading.Thread(target=self._run, name="dlmon-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Frame | None:
        """The newest frame, once."""
        with self._lock:
            frame, self._waiting = self._waiting, None
        return frame

    def nudge(self) -> None:
        """Poll at once: a key asked the source for something."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        try:
            source = self._make()
            used, before = time.process_time(), 0.0
            while not self._stopped:
                self._wake.clear()
                frame = source.poll()
                if frame is not None and not self._stopped:
                    self._put(frame)
                if frame is None or not frame.behind:
                    self._wake.wait(pause_after(min(before, time.process_time() - used)))
                # One costly frame, such as the first, is no reason to wait.
                before, used = time.process_time() - used, time.process_time()
            source.close()
        except Exception as error:
            if not self._stopped:
                self._failed(error)

    def _put(self, frame: Frame) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, frame
        if waiting is None:
            self._ready()


def pause_after(spent: float) -> float:
    """Seconds to wait before the next poll. spent: processor seconds that the last frame took, reading and drawing."""
    return min(LONGEST_PERIOD, max(PERIOD, REST * spent))
