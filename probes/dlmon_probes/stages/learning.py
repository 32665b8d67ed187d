"""What engine and overfit share: the training batches are ours, the loss is watched against its floor."""

from __future__ import annotations

import math
import time
from typing import Any, Callable, Optional

from dlmon_probes import control, events
from dlmon_probes.stages import loaders, rates
from dlmon_probes.stages.data import batches
from dlmon_probes.stages.loaders import Known, Pass
from dlmon_probes.stages.losses import floor
from dlmon_probes.stages.stage import Stage
from dlmon_probes.training import structures, tensors
from dlmon_probes.training.rows import number_of

SURE = 10  # steps in a row that the loss must stay down
NONFINITE = 3  # steps in a row without a finite loss: nothing comes after that
FLOORS = 4  # backwards of each series whose floor is read
LOOK_EVERY = 25  # steps between looks at everything
MOST_MICRO = 64  # batches to a step at the most that a training loader claims to have enough of
MOST_LEAVES = 8  # tensors of the batch that are described


class Learning(Stage):
    """Keeps the first batch of each training loader and gives other ones from then on, without end."""

    HOW = ""  # as in events.StageData
    CLOSE = 0.0  # how near to its floor, as a share of the way from its start, a loss is certainly down

    def install(self) -> None:
        super().install()
        loaders.lengthen(self.plan.steps * MOST_MICRO)
        self._kept: dict[int, batches.Frozen] = {}  # by loader number
        self._trouble = ""
        self._begun = False
        self._values: list[Any] = []
        self._series: set[int] = set()
        self._floors: dict[int, int] = {}
        self._floor: Optional[float] = None
        self._start: Optional[float] = None
        self._down = self._lost = 0
        self.change("learning rate held at its base value: schedules do not step")
        held = rates.Rates(lambda base, _: base, lambda: self.agent.step, decay=self.keeps_decay(), note=self.change)
        rates.install(held, self.failed, lambda: self.agent.training)

    # ------------------------------------------------------------ what differs

    def keeps_decay(self) -> bool:
        return True

    def give(self, known: Known, kept: batches.Frozen) -> Callable[[], Any]:
        """What makes a batch in the place of the loader's own."""
        raise NotImplementedError

    def begin(self, loss: Any, known: Optional[Known]) -> None:
        """The first backward: the script's own first batch is in `loss`. known: its loader; None without one."""
        raise NotImplementedError

    # ------------------------------------------------------------ loaders

    def seen(self, current: Pass, batch: Any, grad: bool) -> None:
        number = current.loader.number
        if not grad or number in self._kept or (current.loader.evaluated and not current.loader.trained):
            return
        try:
            self._kept[number] = batches.freeze(batch)
        except batches.NotCacheable as reason:
            self._trouble = str(reason)

    def instead(self, current: Pass, grad: bool) -> Optional[Callable[[], Any]]:
        known = current.loader
        kept = self._kept.get(known.number)
        if not grad or kept is None or (known.evaluated and not known.trained):
            return None
        return self.give(known, kept)

    # ------------------------------------------------------------ losses

    def on_backward(self, loss: Any, series: int) -> None:
        self._series.add(series)
        if not self._begun:
            self._begun = True
            self._begin(loss)
        value = self.loop.row.losses[series][-1]
        self._values.append(value)
        self._look_at_floor(loss, series, number_of(value))

    def _begin(self, loss: Any) -> None:
        known = next((k for k in self.loaders.known if k.trained), None)
        if known is not None and known.number not in self._kept:
            self.tell_data(None, "loader", self._trouble or "the first batch was not seen")
            self.ending.end("not applicable", self._trouble)
            return
        self.begin(loss, known)

    def _look_at_floor(self, loss: Any, series: int, value: Optional[float]) -> None:
        if self._floors.get(series, 0) >= FLOORS:
            return
        self._floors[series] = self._floors.get(series, 0) + 1
        least, how = self.floor_of(loss)
        if least is not None and value:
            with tensors.immune():
                scale = float(loss.detach().float().item()) / value
            if math.isfinite(scale) and scale > 0:
                least /= scale  # AMP's scale is in the tensor and not in the log
        self._floor = least if len(self._series) == 1 else None
        self.agent.emit(events.LossFloor(time.time(), self.agent.step, series, least, how))

    def floor_of(self, loss: Any) -> tuple[Optional[float], str]:
        """The floor of a loss about to go backward, or None and why it cannot be known."""
        return floor.floor_of(loss)

    def floors_are_known(self) -> bool:
        """All series that go backward had their floors read often enough."""
        return bool(self._floors) and all(count >= FLOORS for count in self._floors.values())

    def forget_losses(self) -> None:
        """The batches are others from here on: what the loss was before does not count."""
        self._start = None
        self._floors.clear()
        self._down = 0

    def on_step(self, steps: int) -> None:
        values = [value for value in map(number_of, self._values) if value is not None]
        self._values.clear()
        if values and len(self._series) == 1:
            self._judge(sum(values) / len(values))
        if steps % LOOK_EVERY == 0 or steps >= self.plan.steps - 2:
            self._look_closely()
        super().on_step(steps)

    def _look_closely(self) -> None:
        """Everything is sampled in the next step: the verdict rests on how it stands at the end."""
        self.agent.page.add(control.SAMPLE_REQUEST)
        self.agent.sampling = True

    def _judge(self, value: float) -> None:
        """End the stage as soon as nothing more can be learned from it."""
        self._lost = 0 if math.isfinite(value) else self._lost + 1
        if self._lost >= NONFINITE:
            self.ending.end("certain", f"the loss is {value}")
        if self._start is None:
            self._start = value
        least, start = self._floor, self._start
        low = least is not None and start > least and value <= least + self.CLOSE * (start - least)
        self._down = self._down + 1 if low else 0
        if self._down == SURE // 2:
            self._look_closely()
        if self._down >= SURE:
            self.ending.end("certain", f"loss {value:.4g} after {self.agent.step} steps")

    # ------------------------------------------------------------ facts

    def tell_data(
        self,
        kept: Optional[batches.Frozen],
        source: str,
        trouble: str = "",
        roles: Optional[dict[str, str]] = None,
        looks: int = 0,
        same: int = 0,
    ) -> None:
        """Write the StageData event."""
        leaves = kept.leaves[:MOST_LEAVES] if kept is not None else []
        self.agent.emit(
            events.StageData(
                time.time(), self.agent.step, self.HOW, source, named(leaves), roles or {}, trouble, looks, same
            )
        )


def named(leaves: list[structures.Leaf]) -> list[events.NamedTensor]:
    """The tensors of a batch with their statistics. Waits for the device: in rehearsals only."""
    with tensors.immune():
        measured = [tensors.Measured(leaf.tensor) for leaf in leaves]
        values = [m.vector.tolist() if m.vector is not None else None for m in measured]
    return [
        events.NamedTensor(leaf.path, m.facts(numbers), type(leaf.tensor).__name__)
        for leaf, m, numbers in zip(leaves, measured, values)
    ]
