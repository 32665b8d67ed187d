"""overfit: one real batch again and again, with all that disturbs learning taken away.

Random numbers that the loop draws after the batch (mixup, noise, diffusion steps) are drawn again, too: the states of
the generators are put back after every backward.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from dlmon_probes.stages.data import batches, sources
from dlmon_probes.stages.data.model_inputs import ModelInputs
from dlmon_probes.stages.learning import Learning
from dlmon_probes.stages.loaders import Known
from dlmon_probes.stages.losses import ambiguity

LOOKS = frozenset({3, 30, 300})  # steps at which it is told how often the model was given the same batch


class Overfit(Learning):
    HOW = "repeated"
    CLOSE = 0.02

    def install(self) -> None:
        super().install()
        self.change("dropout off")
        self._replay: Any = None
        self._batch: Optional[batches.Frozen] = None
        self._given: Optional[ModelInputs] = ModelInputs(self.agent, "overfit inputs")

    def keeps_decay(self) -> bool:
        return False

    def give(self, _known: Known, kept: batches.Frozen) -> Callable[[], Any]:
        return kept.copy

    def begin(self, _loss: Any, known: Optional[Known]) -> None:
        self._batch = self._kept[known.number] if known is not None else None
        self._replay = sources.Replay(self.agent, self.change, indexing=known is None)
        self._tell()
        self.ending.before.append(self._tell)

    def floor_of(self, loss: Any) -> tuple[Optional[float], str]:
        """Also what rows that contradict each other leave: other batches would not repeat them."""
        least, how = super().floor_of(loss)
        if least == 0.0 and how == "hard labels" and self._given is not None:
            return ambiguity.floor_of_rows(loss, self._given.last()) or (least, how)
        return least, how

    def on_backward_done(self) -> None:
        if self._given is not None:
            self._given.forget()
        if self._replay is not None:
            self._replay.after_backward()

    def on_step(self, steps: int) -> None:
        if self._replay is not None:
            self._replay.after_step()
        if self._given is not None and self.floors_are_known():
            self._given.close()
            self._given = None
        if steps in LOOKS:
            self._tell()
        super().on_step(steps)

    def _tell(self) -> None:
        replay = self._replay
        source = "loader" if self._batch is not None else "replay"
        self.tell_data(self._batch, source, replay.trouble, looks=replay.looks, same=replay.same)
