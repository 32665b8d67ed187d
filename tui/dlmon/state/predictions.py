"""What evaluation passes answered: the last ones, and of each kind of pass the one with the best loss."""

from __future__ import annotations

from dataclasses import replace

from dlmon_probes import events
from dlmon_probes.events_predictions import Predictions

LAST = 64
MOST_KINDS = 32  # (loader, name) pairs whose best pass is kept
MOST_CELLS = 120_000  # of confusion matrices kept beside those of the last and the best passes: about 15 MB


class PredictionsKept:
    """The fold of one process's passes. An evaluation's loss arrives before what it answered, with the same step."""

    def __init__(self) -> None:
        self._last: list[Predictions] = []
        self._best: dict[tuple[int, str], tuple[float, Predictions]] = {}
        self._losses: dict[tuple[int, str], tuple[int, float | None]] = {}
        self._items: tuple[Predictions, ...] | None = ()

    def evaluation(self, event: events.Evaluation) -> None:
        key = (event.loader, event.name)
        if key in self._losses or len(self._losses) < MOST_KINDS:
            self._losses[key] = (event.step, event.loss)

    def predictions(self, event: Predictions) -> None:
        self._items = None
        key = (event.loader, event.name)
        step, loss = self._losses.get(key, (-1, None))
        if step == event.step and loss is not None and loss == loss and event.task:
            best = self._best.get(key)
            if best is None or loss < best[0]:
                self._best[key] = (loss, event)
        self._last.append(event)
        del self._last[:-LAST]
        self._thin()

    def _thin(self) -> None:
        """Of many large confusion matrices the oldest go, but not those of the last and the best pass of each kind."""
        cells = sum(len(event.confusion) for event in self._last)
        if cells <= MOST_CELLS:
            return
        latest = {(event.loader, event.name): event for event in self._last}
        whole = {id(event) for event in [*latest.values(), *(best for _, best in self._best.values())]}
        for i, event in enumerate(self._last):
            if cells > MOST_CELLS and event.confusion and id(event) not in whole:
                cells -= len(event.confusion)
                left_out = event.cut + sum(count for *_, count in event.confusion)
                self._last[i] = replace(event, confusion=[], cut=left_out)

    def items(self) -> tuple[Predictions, ...]:
        """In the order of their time; the same object until another one came."""
        if self._items is None:
            kept = {id(event) for event in self._last}
            gone = [best for _, best in self._best.values() if id(best) not in kept]
            self._items = tuple(sorted([*gone, *self._last], key=lambda event: event.t))
        return self._items
