"""The thread between a source and the screen."""

from __future__ import annotations

import threading

from dlmon.app.feed import LONGEST_PERIOD, PERIOD, Feed, pause_after
from dlmon.app.source import Frame, OutputLines

DEADLINE = 20.0


def frame(number: int, *, behind: bool = False) -> Frame:
    return Frame(output=OutputLines((), number, ""), behind=behind)


class Numbers:
    """Frames 1 to `last`, as fast as they are asked for; then says that it is through."""

    def __init__(self, last: int) -> None:
        self.last, self.asked = last, 0
        self.through = threading.Event()
        self.closed = threading.Event()

    def poll(self) -> Frame | None:
        self.asked += 1
        if self.asked > self.last:
            self.through.set()
            return None
        return frame(self.asked, behind=True)

    def close(self) -> None:
        self.closed.set()


def test_frames_that_nobody_took_are_replaced_by_newer_ones() -> None:
    source, calls = Numbers(50), []
    feed = Feed(lambda: source, lambda: calls.append(1), lambda error: None)
    feed.start()
    assert source.through.wait(DEADLINE)
    assert calls == [1], "the screen is told once"
    taken = feed.take()
    assert taken is not None
    assert taken.output.count == 50
    assert feed.take() is None
    feed.stop()
    assert source.closed.wait(DEADLINE)


def test_the_source_is_made_on_the_thread() -> None:
    made = threading.Event()
    threads: list[threading.Thread] = []

    def make() -> Numbers:
        threads.append(threading.current_thread())
        made.set()
        return Numbers(0)

    feed = Feed(make, lambda: None, lambda error: None)
    feed.start()
    assert made.wait(DEADLINE)
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon, "a slow disk must not keep the screen from leaving"
    feed.stop()


def test_an_error_ends_the_feed_and_is_told() -> None:
    told: list[BaseException] = []
    failed = threading.Event()

    def make() -> Numbers:
        raise OSError("disk gone")

    feed = Feed(make, lambda: None, lambda error: (told.append(error), failed.set()))
    feed.start()
    assert failed.wait(DEADLINE)
    assert str(told[0]) == "disk gone"


def test_a_nudge_is_answered_without_waiting_for_the_period() -> None:
    class Slow(Numbers):
        def poll(self) -> Frame | None:
            super().poll()
            return None

    source = Slow(3)
    feed = Feed(lambda: source, lambda: None, lambda error: None)
    feed.start()
    while not source.through.wait(0.001):
        feed.nudge()
    feed.stop()


def test_costly_frames_are_drawn_less_often() -> None:
    assert pause_after(0.001) == PERIOD
    assert PERIOD < pause_after(0.06) < LONGEST_PERIOD
    assert pause_after(60.0) == LONGEST_PERIOD
