"""rich's progress displays become events; in a process that trains they are not drawn.

A silent display counts as started, so that everything else of rich works as before. Like tqdm's, a display is left
alone while the process does not train, except that it waits for the first progress before it draws.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any, Callable

from dlmon_probes import events
from dlmon_probes.inject import finder
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.bars import BarBook, terminal_descriptor
from dlmon_probes.training.fuse import Fuse


class RichProbe:
    """Knows the progress displays (weakly, by the id of their Live) and which of them are silent."""

    def __init__(self, agent: Agent, book: BarBook) -> None:
        self._agent = agent
        self._book = book
        self._displays: dict[int, weakref.ref[Any]] = {}  # by id(live): the Progress
        self._silent: set[int] = set()
        self._open: dict[Any, events.Bar] = {}
        self.start: Callable[..., Any]
        self.stop: Callable[..., Any]
        book.add_source(self.states)

    def made(self, progress: Any) -> None:
        key = id(progress.live)
        self._displays[key] = weakref.ref(progress, functools.partial(self._gone, key))

    def _gone(self, key: int, _reference: Any) -> None:
        self._displays.pop(key, None)
        self._silent.discard(key)

    def states(self) -> list[tuple[Any, events.Bar]]:
        """Open tasks; those that have gone since the last look are told as closed."""
        found: dict[Any, events.Bar] = {}
        for key, reference in list(self._displays.items()):
            progress = reference()
            if progress is not None and not progress.disable and progress.live.__dict__.get("_started"):
                found.update(_tasks_of(key, progress))
        for gone in [key for key in self._open if key not in found]:
            self._book.closed(gone, self._open[gone])
        self._open = found
        return list(found.items())

    # ------------------------------------------------------------ drawing

    def starts(self, live: Any) -> bool:
        """A display starts: true if it must not draw (yet)."""
        progress = self._displays[id(live)]() if id(live) in self._displays else None
        if progress is None or not _at_terminal(live.console):
            return False
        self._silent.add(id(live))
        live._started = True
        return True

    def is_silent(self, live: Any) -> bool:
        return id(live) in self._silent

    def stops(self, live: Any) -> bool:
        """A display stops: true if it was silent and there is nothing to take away."""
        progress = self._displays[id(live)]() if id(live) in self._displays else None
        if progress is not None and live.__dict__.get("_started") and not progress.disable:
            for key, state in _tasks_of(id(live), progress).items():
                self._open.pop(key, None)
                self._book.closed(key, state)
        if id(live) not in self._silent:
            return False
        self._silent.discard(id(live))
        live._started = False
        return True

    def moved(self, progress: Any) -> None:
        """A task got on. In a process that does not train the display comes out now."""
        live = progress.live
        if id(live) in self._silent and not self._agent.training and any(t.completed for t in progress.tasks):
            self._silent.discard(id(live))
            live._started = False
            self.start(live, refresh=True)

    def started(self) -> None:
        """This process trains: what is on the screen is wiped off and goes on silently."""
        for key, reference in list(self._displays.items()):
            progress = reference()
            if progress is None or key in self._silent or not progress.live.__dict__.get("_started"):
                continue
            live = progress.live
            if _at_terminal(live.console):
                transient, live.transient = live.transient, True
                self.stop(live)
                live.transient, live._started = transient, True
                self._silent.add(key)


def _tasks_of(key: int, progress: Any) -> dict[Any, events.Bar]:
    tasks = [task for task in list(progress._tasks.values()) if task.visible]
    return {("rich", key, int(task.id)): state_of(task, i) for i, task in enumerate(tasks)}


def state_of(task: Any, position: int) -> events.Bar:
    elapsed = task.elapsed
    rate = task.completed / elapsed if elapsed else None
    return events.Bar(
        t=0.0, bar=0, desc=_plain(task.description), n=float(task.completed),
        total=None if task.total is None else float(task.total), rate=rate, elapsed=elapsed, position=position,
    )  # fmt: skip


def _plain(description: Any) -> str:
    """A description without rich's markup."""
    from rich.text import Text

    try:
        return str(Text.from_markup(str(description)).plain)
    except Exception:
        return str(description)


def _at_terminal(console: Any) -> bool:
    return bool(console.is_terminal) and not console.is_jupyter and terminal_descriptor(console.file) is not None


# ---------------------------------------------------------------- installation


def install(agent: Agent, book: BarBook) -> None:
    probe = RichProbe(agent, book)
    agent.guard("rich progress", agent.started, probe.started)
    finder.watch("rich.progress", after=functools.partial(_patch, Fuse(agent, "rich progress"), probe))


def _patch(fuse: Fuse, probe: RichProbe) -> None:
    from rich.live import Live
    from rich.progress import Progress

    made, start_live, stop_live, refresh_live = Progress.__init__, Live.start, Live.stop, Live.refresh
    probe.start, probe.stop = start_live, stop_live

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        fuse.run(probe.made, self)

    @functools.wraps(start_live)
    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        if not fuse.run(probe.starts, self):
            start_live(self, *args, **kwargs)

    @functools.wraps(stop_live)
    def stop(self: Any) -> None:
        if not fuse.run(probe.stops, self):
            stop_live(self)

    @functools.wraps(refresh_live)
    def refresh(self: Any) -> None:
        if not fuse.run(probe.is_silent, self):
            refresh_live(self)

    for cls, patches in (
        (Progress, {"__init__": __init__}),
        (Live, {"start": start, "stop": stop, "refresh": refresh}),
    ):
        for name, patch in patches.items():
            setattr(cls, name, patch)
    for name in ("advance", "update"):
        setattr(Progress, name, _followed(getattr(Progress, name), fuse, probe))


def _followed(original: Callable[..., Any], fuse: Fuse, probe: RichProbe) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        fuse.run(probe.moved, self)
        return result

    return call
