"""Which batch of an evaluation pass a call of the model is for, and where its samples lie in pass and data set."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import replace
from typing import Any, Optional

from dlmon_probes.training.loss_formula import Formula, Forward

MOST_ROWS = 1_000_000  # of a pass whose data set indices are kept: 8 MB


class PassBatches:
    """number: of the batch in hand, −1 before the first call. rows: its samples. first: row of its first sample in the
    pass. alone: there is no loader, each call of the model is a batch."""

    def __init__(self, alone: bool) -> None:
        self.number = -1
        self.rows = 0
        self.first = 0
        self.index = array("q")  # data set index of each row, −1 where it is not known
        self._alone = alone
        self._events = 0  # what the loader did: pulls, and its end
        self._moved = False
        self._pulled: deque[tuple[int, Optional[list[int]]]] = deque(maxlen=4)

    def pulled(self, indices: Optional[list[int]]) -> None:
        self._pulled.append((self._events, indices))
        self.ended()

    def ended(self) -> None:
        self._events += 1
        self._moved = True

    @property
    def ahead(self) -> bool:
        """The program has pulled the next batch already: what it calls the model with is in the one before."""
        return not self._alone and self._events - self.number == 2

    def called(self, forward: Forward, rows: int) -> bool:
        """The model was called with so many samples. True if it is the first call for its batch."""
        before = self.number
        self.number = self._number_for(forward)
        if self.number == before:
            return False
        self.first += self.rows
        self.rows = rows
        indices = next((known for number, known in self._pulled if number == self.number), None)
        if len(self.index) < MOST_ROWS:
            self.index.extend(indices if indices is not None and len(indices) == rows else [-1] * rows)
        return True

    def _number_for(self, forward: Forward) -> int:
        if self._alone:
            return self.number + 1
        moved, self._moved = self._moved, False
        given = {id(leaf.tensor) for leaf in forward.arguments}
        if any(id(leaf.tensor) in given for leaf in forward.batch):
            return self._events - 1
        if any(id(leaf.tensor) in given for leaf in forward.earlier):
            return self._events - 2
        return self.number + moved  # moved to another device, or cut to pieces: one batch for each pull

    def formula_here(self, formula: Optional[Formula]) -> Optional[Formula]:
        """The formula with its targets taken from the batch in hand: the training may fetch ahead, and the evaluation
        not, or the reverse."""
        if formula is None or formula.source not in ("batch", "earlier"):
            return formula
        return replace(formula, source="earlier" if self.ahead else "batch")

    def index_of(self, row: int) -> Optional[int]:
        known: Any = self.index[row] if row < len(self.index) else -1
        return known if known >= 0 else None
