"""How far a run is where no bar says so, and how long it will take."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon_probes import events

FEWEST_STEPS_FOR_ETA = 5  # the first steps are never typical


class PassCounter:
    """Passes over the training data, from the rows that steps consumed: for scripts that show no bar."""

    def __init__(self) -> None:
        self._loader: events.Loader | None = None
        self._rows = 0

    def loader(self, event: events.Loader) -> None:
        """The largest loader of known length is taken for the training's."""
        if event.samples and event.batch_size and event.samples > ((self._loader and self._loader.samples) or 0):
            self._loader = event

    def steps(self, event: events.Steps) -> None:
        if self._loader is None or self._loader.batch_size is None:
            return
        most = self._loader.batch_size
        if _same(event.samples) and _same(event.micro):
            self._rows += len(event.samples) * _consumed(event.samples[0], event.micro[0], most)
        else:
            rows = zip(event.samples, event.micro, strict=False)
            self._rows += sum(_consumed(samples, micro, most) for samples, micro in rows)

    def text(self) -> str:
        """ "3" in the third pass; "" where it cannot be told."""
        rows = self._rows_of_a_pass()
        return str((self._rows - 1) // rows + 1) if rows and self._rows else ""

    def _rows_of_a_pass(self) -> int:
        """The data set's rows, or this rank's share of them: its loader has fewer batches then."""
        loader = self._loader
        if loader is None or not loader.samples:
            return 0
        if loader.length and loader.batch_size:
            return min(loader.samples, loader.length * loader.batch_size)
        return loader.samples


def _same(column: Sequence[int | None]) -> bool:
    return bool(column) and column.count(column[0]) == len(column)


def _consumed(samples: int | None, micro: int, batch_size: int) -> int:
    """Rows that a step trained on: after an evaluation it also pulled that one's batches."""
    return min(samples or 0, batch_size * max(1, micro))


def eta(step: int, total: int | None, first: tuple[int, float] | None, last: float | None) -> float | None:
    """Seconds left. first: step and unix time of the first step's end; last: unix time of the last one's.

    Evaluation and checkpoints between steps count into the mean, as they will in what is left.
    """
    if total is None or first is None or last is None:
        return None
    steps = step - 1 - first[0]
    if steps < FEWEST_STEPS_FOR_ETA or last <= first[1]:
        return None
    return max(0.0, (total - step) * (last - first[1]) / steps)
