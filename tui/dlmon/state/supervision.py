"""What the supervisor reported of the run, the machine's samples aside."""

from __future__ import annotations

from dlmon_probes import events
from dlmon_probes.events_watch import Watched

STOPPING = frozenset({"SIGINT", "SIGTERM", "SIGKILL"})  # others (USR1 of a scheduler) ask for a checkpoint, not an end
MOST_WATCHED = 10


class Supervision:
    """Fold of the supervisor's events. written, output_grew: unix seconds; host: where it runs."""

    def __init__(self) -> None:
        self.host = ""
        self.phase = ""
        self.launch: events.Launch | None = None
        self.exit: events.Exit | None = None
        self.stop_requested = False
        self.written = 0.0
        self.output_grew = 0.0
        self.watched: list[str] = []  # what watch conditions did, the last few lines
        self.broke: Watched | None = None  # the last condition that paused the training
        self._offset = 0

    def fold(self, event: object) -> None:
        if isinstance(event, events.Hello):
            self.host = event.host
        elif isinstance(event, events.Phase):
            self.phase = event.name
        elif isinstance(event, events.Launch):
            self.launch = event
        elif isinstance(event, events.Signal) and event.signal in STOPPING:
            self.stop_requested = True
        elif isinstance(event, Watched):
            self.watched = [*self.watched, event.text][-MOST_WATCHED:]
            self.broke = event if event.action == "break" else self.broke
        elif isinstance(event, events.Exit):
            self.exit = event
        elif isinstance(event, events.Output) and event.offset > self._offset:
            self._offset, self.output_grew = event.offset, event.t
        self.written = max(self.written, getattr(event, "t", 0.0))
