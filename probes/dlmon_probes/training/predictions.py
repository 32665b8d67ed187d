"""What the model answered in evaluation passes: outputs paired with targets, counted, and told once per pass.

Pairs come from the formula of the training's loss, from calls of a loss module, or else from shapes; the first that
gives one in a pass stays. A pair found by shapes waits until the next batch: a loss module may be called after the
model, and a later call of another part of the model may be the one that answers.
"""

from __future__ import annotations

import math
import time
import weakref
from time import perf_counter
from typing import Any, Callable, Optional, Union

from dlmon_probes import events
from dlmon_probes.events_predictions import LABELS, PIXELS, VALUES, Predictions, Sample
from dlmon_probes.training import predictions_pairs, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.class_names import class_names
from dlmon_probes.training.forwards import pack, unpack
from dlmon_probes.training.functional_losses import Call
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loss_formula import Formula, Forward
from dlmon_probes.training.pass_batches import PassBatches
from dlmon_probes.training.predictions_classes import ClassCounts
from dlmon_probes.training.predictions_grids import GridCounts
from dlmon_probes.training.predictions_labels import MOST_LABELS, LabelCounts
from dlmon_probes.training.predictions_pairs import Found, Pair
from dlmon_probes.training.predictions_values import ValueCounts

NAME = "predictions"
FLOOR = 0.5  # seconds that looking may cost in a run, beside its share of the time
MOST_ELEMENTS = 2_000_000  # of outputs looked at in one batch on the CPU (some 10 ms); of larger ones every k-th row
MOST_ON_DEVICE = 16_000_000
MOST_CELLS = 40_000  # of a confusion matrix that are told …
CELLS_IN_RUN = 400_000  # … until so many were, about 5 MB of log;
FEW_CELLS = 4_000  # from then on so many of each pass
TRIES = 3  # batches without a pair after which a pass is given up

Counts = Union[ClassCounts, GridCounts, LabelCounts, ValueCounts]


class Predictor:
    """What all passes share: time, the data sets' names of classes, how much was told."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.fuse = Fuse(agent, NAME)
        self.cells = 0  # told so far
        self.cost = 0.0  # seconds for one batch, an average that follows
        self._spent = 0.0
        self._taken = 0.0
        self._born = perf_counter()
        self._batches: dict[tuple[int, str], int] = {}  # of the last pass over each loader, or of each name without
        self._loaders: dict[int, Any] = {}

    def allowance(self) -> float:
        """Seconds that may still be spent now."""
        return FLOOR + self.agent.governor.budget * (perf_counter() - self._born) - self._spent

    def every(self, loader: int, name: str) -> int:
        """Each so manyth batch of the pass that begins is looked at, as they are known to cost and to be; 0: none."""
        expected = self._batches.get((loader, "" if loader >= 0 else name), 1) * self.cost
        allowance = self.allowance()
        return max(1, math.ceil(expected / allowance)) if allowance > self.cost else 0

    def passed(self, loader: int, name: str, batches: int) -> None:
        if len(self._batches) < 256:
            self._batches[loader, "" if loader >= 0 else name] = batches

    def spent(self, seconds: float) -> None:
        self._spent += seconds

    def take(self) -> float:
        """Seconds spent since the last call."""
        seconds, self._taken = self._spent - self._taken, self._spent
        return seconds

    def begins(self, loader: Any, number: int, _iterator: int) -> None:
        """A pass over a loader begins: its data set may have names for the classes."""
        if number in self._loaders or len(self._loaders) < 64:
            self._loaders[number] = weakref.ref(loader)

    def names_of(self, loader: int, classes: Optional[int]) -> list[str]:
        reference = self._loaders.get(loader)
        known = reference() if reference is not None else None
        return class_names(known.__dict__.get("dataset"), classes) if known is not None and classes else []


class PassPredictions:
    """One evaluation pass. batches: where it stands; the pass tells it of pulls and calls first."""

    def __init__(self, predictor: Predictor, batches: PassBatches, loader: int, name: str) -> None:
        self._predictor = predictor
        self._batches = batches
        self._every = predictor.every(loader, name)
        self._began_with = predictor.allowance()
        self._spent = 0.0
        self._source = ""  # "formula", "criterion" or "shapes" once one of them gave a pair; "none" when given up
        self._counts: Optional[Counts] = None
        self._certain = True
        self._reason = ""
        self._paths = ("", "")
        self._looked_at = 0
        self._stride = 1
        self._failed = 0
        self._number = -1  # of the batch in hand
        self._first = 0  # row of its first sample in the pass
        self._done = True  # the batch in hand was looked at, or is not to be
        self._waiting: Optional[tuple[Forward, int, bool, list[int]]] = None

    @property
    def given_up(self) -> bool:
        return self._source == "none"

    # ------------------------------------------------------------ what happens

    def pulled(self) -> None:
        """The loader handed out another batch, or ended."""
        if self._waiting is not None:
            self._run(self._settle_waiting)

    def forward(self, forward: Forward, rows: int, formula: Optional[Formula], another: bool) -> None:
        """An outermost call of the model has ended. another: the first one for its batch."""
        self._run(self._forward, forward, rows, formula, another)

    def criterion(self, module: Any, args: Any, rows: int) -> None:
        """A loss module was called."""
        if not self._done and self._source in ("", "criterion"):
            self._run(self._criterion, module, args, rows)

    def functional(self, call: Call, rows: int) -> None:
        """A function that computes a loss was called."""
        if not self._done and self._source in ("", "criterion"):
            self._run(self._functional, call, rows)

    def _run(self, function: Callable[..., None], *args: Any) -> None:
        began = perf_counter()
        with tensors.immune(), tensors.torch_module().inference_mode(False):
            self._predictor.fuse.run(function, *args)
        seconds = perf_counter() - began
        self._spent += seconds
        self._predictor.spent(seconds)

    def _forward(self, forward: Forward, rows: int, formula: Optional[Formula], another: bool) -> None:
        if another:
            self._settle_waiting()
            self._begin_batch()
        if self._done or self._source == "none":
            return
        if formula is not None and self._source in ("", "formula"):
            found = predictions_pairs.of_formula(formula, forward, rows)
            if found is not None:
                self._look("formula", found)
        elif self._source in ("", "shapes"):
            versions = [leaf.tensor._version if not leaf.tensor.is_inference() else 0 for leaf in forward.outputs]
            self._waiting = (forward, rows, self._batches.ahead, versions)

    def _criterion(self, module: Any, args: Any, rows: int) -> None:
        found = predictions_pairs.of_criterion(module, args, self._batches.rows or rows)
        if found is not None:
            self._look("criterion", found)

    def _functional(self, call: Call, rows: int) -> None:
        self._look("criterion", predictions_pairs.of_function(call, self._batches.rows or rows))

    def _settle_waiting(self) -> None:
        """Nothing surer came for the batch: see what shapes say."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or self._done or self._source not in ("", "shapes"):
            return
        forward, rows, ahead, versions = waiting
        now = [leaf.tensor._version if not leaf.tensor.is_inference() else 0 for leaf in forward.outputs]
        if now == versions:  # the program has not changed its outputs in place since
            self._look("shapes", predictions_pairs.of_shapes(forward, rows, ahead))

    def _begin_batch(self) -> None:
        self._number, self._first = self._batches.number, self._batches.first
        if not self._every:
            self._reason = "no time was left for it within the overhead budget"
            return
        if self._spent > self._began_with and self._number % self._every == 0:
            self._every *= 2  # dearer than was thought: from here on half as many
        self._done = self._number % self._every != 0

    # ------------------------------------------------------------ counting

    def _look(self, source: str, found: Found) -> None:
        if isinstance(found, str):
            self._reason = found
            self._failed += 1
            if self._failed >= TRIES and self._counts is None:
                self._source = "none"
            return
        if self._counts is None:
            self._counts, self._certain = _counts_for(found), found.certain
            self._paths = (found.output_path, found.target_path)
        if self._counts is None or not self._counts.fits(found):
            self._reason, self._counts, self._source = "the outputs are not of one kind in all batches", None, "none"
            return
        began = perf_counter()
        self._source = source
        self._done = True
        stride, start = _stride(found, self._number)
        self._looked_at += self._counts.add(found, self._first, stride, start)
        self._stride = max(self._stride, stride)
        cost, seconds = self._predictor.cost, perf_counter() - began
        self._predictor.cost = 0.8 * cost + 0.2 * seconds if cost else seconds

    # ------------------------------------------------------------ telling

    def tell(
        self, step: int, loader: int, name: str, samples: int, where: Optional[events.Where], why: str,
        root: Optional[int] = None,
    ) -> None:  # fmt: skip
        """The pass is over and was an evaluation. why: what kept model calls from being seen, "". root: the model."""
        if self._predictor.fuse.blown:
            return
        self._run(self._tell, step, loader, name, samples, where, why, root)
        self._predictor.passed(loader, name, self._number + 1)
        self._predictor.agent.governor.pay_for(NAME, self._spent)

    def _tell(self, step: int, loader: int, name: str, samples: int, where: Any, why: str, root: Optional[int]) -> None:
        self._settle_waiting()
        predictor, counts = self._predictor, self._counts
        common: dict[str, Any] = {
            "t": time.time(),
            "step": step,
            "loader": loader,
            "name": name,
            "samples": samples,
            "where": where,
            "root": root,
        }
        if counts is None:
            reason = why or self._reason or "no call of the model was seen that could be looked at"
            predictor.agent.emit(Predictions(**common, reason=reason))
            return
        room = MOST_CELLS if predictor.cells < CELLS_IN_RUN else FEW_CELLS
        vectors, lengths = pack(counts.vectors(room))
        batches, certain = self._batches, self._certain
        common.update(looked_at=self._looked_at, stride=self._stride, output_path=self._paths[0])
        common.update(target_path=self._paths[1])
        names = predictor.names_of(loader, counts.classes)

        def done(values: list[list[float]]) -> None:
            fields = counts.read(unpack(values, lengths), certain)
            if "reason" in fields:
                predictor.agent.emit(Predictions(**{**common, "looked_at": 0}, reason=fields["reason"]))
                return
            predictor.cells += len(fields.get("confusion", ()))
            for key in ("wrong", "unsure"):
                fields[key] = [
                    Sample(**sample, index=batches.index_of(sample["row"])) for sample in fields.get(key, ())
                ]
            predictor.agent.emit(Predictions(**common, task=counts.task, class_names=names, **fields))

        predictor.agent.later(vectors, done)


def _counts_for(pair: Pair) -> Optional[Counts]:
    if pair.task == PIXELS:
        return GridCounts(pair)
    if pair.task == VALUES:
        return ValueCounts(pair)
    if pair.task == LABELS:
        return LabelCounts(pair) if int(pair.outputs.shape[1]) <= MOST_LABELS else None
    return ClassCounts(pair)


def _stride(pair: Pair, batch: int) -> tuple[int, int]:
    """(every which row or position is looked at, the first one). Odd, so that it falls into each column of a picture;
    the first one changes from batch to batch."""
    most = MOST_ELEMENTS if pair.outputs.device.type == "cpu" else MOST_ON_DEVICE
    stride = -(-int(pair.outputs.numel()) // most)
    if stride <= 1:
        return 1, 0
    stride |= 1
    along = int(pair.targets.shape[1] if pair.task == PIXELS else pair.targets.shape[0])
    return stride, batch % min(stride, along)
