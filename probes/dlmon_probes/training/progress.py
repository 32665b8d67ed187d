"""tqdm's bars become events, and their drawing does not reach the output.

The class is patched, so that `tqdm.auto`, trainers' own subclasses and bars made before training are all seen. A bar is
left to draw itself as long as the process does not train (a download should show) or when it writes elsewhere than to
the terminal. One thing is held back at once: the first frame, before there is any progress, as the bar around the
training loop is made a moment before the first step.
"""

from __future__ import annotations

import functools
import re
import weakref
from time import time
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.inject import finder
from dlmon_probes.training import progress_rich
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.bars import BarBook, terminal_descriptor
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loop import Loop

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class TqdmProbe:
    """Knows the open bars (weakly, by id) and which of them must not draw."""

    def __init__(self, agent: Agent, book: BarBook) -> None:
        self._agent = agent
        self._book = book
        self._open: dict[int, weakref.ref[Any]] = {}
        self._drawn: set[int] = set()
        self._closing: set[int] = set()
        self.clear: Optional[Callable[..., Any]] = None  # tqdm's own
        book.add_source(self.states)

    def made(self, bar: Any) -> None:
        if not bar.__dict__.get("disable", True) and not bar.__dict__.get("gui"):
            key = id(bar)
            self._open[key] = weakref.ref(bar, functools.partial(self._gone, key))

    def _gone(self, key: int, _reference: Any) -> None:
        self._open.pop(key, None)
        self._drawn.discard(key)

    def states(self) -> list[tuple[Any, events.Bar]]:
        bars = [(key, reference()) for key, reference in list(self._open.items())]
        return [(("tqdm", key), state_of(bar)) for key, bar in bars if bar is not None and not bar.__dict__["disable"]]

    # ------------------------------------------------------------ drawing

    def silent(self, bar: Any) -> bool:
        """Whether the bar must not draw now."""
        own = bar.__dict__
        if own.get("gui") or not _at_terminal(own.get("fp")):
            return False
        if self._agent.training:
            return True
        if id(bar) in self._closing or own.get("n") != own.get("initial"):
            self._drawn.add(id(bar))
            return False
        return id(bar) not in self._drawn

    def display(self, bar: Any, message: Optional[str]) -> Optional[bool]:
        """What `display` is to return instead of drawing; None: it may draw.

        A bar that closes and stays on the screen leaves its last state as a plain line; tqdm adds the line's end.
        """
        if not self.silent(bar):
            return None
        if message is None and id(bar) in self._closing:
            bar.fp.write(_ESCAPES.sub("", str(bar)))
        return message is None

    def started(self) -> None:
        """From here on bars are silent: those on the screen are wiped off it."""
        for key in list(self._drawn):
            bar = self._open[key]() if key in self._open else None
            if bar is not None and self.clear is not None:
                self.clear(bar, nolock=True)
        self._drawn.clear()

    def close_begins(self, bar: Any) -> None:
        key = id(bar)
        if key in self._open:
            self._open.pop(key)
            self._closing.add(key)
            self._book.closed(("tqdm", key), state_of(bar))

    def close_ended(self, bar: Any) -> None:
        self._closing.discard(id(bar))
        self._drawn.discard(id(bar))


def _at_terminal(stream: Any) -> bool:
    """tqdm wraps the stream it writes to."""
    try:
        stream = object.__getattribute__(stream, "_wrapped")
    except AttributeError:
        pass
    return terminal_descriptor(stream) is not None


def state_of(bar: Any) -> events.Bar:
    """A bar's state, read off its attributes: its properties may be overridden, and some of them measure again."""
    own = bar.__dict__
    n, total = own.get("n") or 0, own.get("total")
    started = own.get("start_t")
    elapsed = time() - started if started and own.get("_time") is time else None
    rate = _smoothed_rate(own)
    if rate is None and elapsed:
        rate = (n - (own.get("initial") or 0)) / elapsed
    postfix = own.get("postfix")
    return events.Bar(
        t=0.0, bar=0, desc=str(own.get("desc") or "").rstrip(": "), n=float(n),
        total=float(total) if isinstance(total, (int, float)) else None, unit=str(own.get("unit") or "it"),
        rate=rate, elapsed=elapsed, postfix=postfix if isinstance(postfix, str) else "",
        position=abs(own.get("pos") or 0),
    )  # fmt: skip


def _smoothed_rate(own: dict[str, Any]) -> Optional[float]:
    items, seconds = own.get("_ema_dn"), own.get("_ema_dt")
    if getattr(items, "calls", 0) and getattr(seconds, "calls", 0):
        divisor = seconds()  # type: ignore[misc]
        return items() / divisor if divisor else None  # type: ignore[misc]
    return None


# ---------------------------------------------------------------- installation


def install(agent: Agent, _loop: Loop) -> None:
    book = BarBook(agent)
    agent.channel.add_source("progress", book.poll)
    probe = TqdmProbe(agent, book)
    agent.guard("progress", agent.started, probe.started)
    finder.watch("tqdm.std", after=functools.partial(_patch, Fuse(agent, "progress"), probe))
    progress_rich.install(agent, book)


def _patch(fuse: Fuse, probe: TqdmProbe) -> None:
    from tqdm import std

    cls = std.tqdm
    probe.clear = clear_bar = cls.clear
    made, display_bar, close_bar = cls.__init__, cls.display, cls.close

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        fuse.run(probe.made, self)

    @functools.wraps(display_bar)
    def display(self: Any, msg: Optional[str] = None, pos: Optional[int] = None) -> Any:
        instead = fuse.run(probe.display, self, msg)
        return display_bar(self, msg, pos) if instead is None else instead

    @functools.wraps(clear_bar)
    def clear(self: Any, *args: Any, **kwargs: Any) -> Any:
        if fuse.run(probe.silent, self):
            return None
        return clear_bar(self, *args, **kwargs)

    @functools.wraps(close_bar)
    def close(self: Any) -> None:
        fuse.run(probe.close_begins, self)
        try:
            close_bar(self)
        finally:
            fuse.run(probe.close_ended, self)

    cls.__init__, cls.display, cls.clear, cls.close = __init__, display, clear, close
