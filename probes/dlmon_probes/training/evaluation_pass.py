"""One evaluation pass as it adds up: batches, losses by where they came from, right answers. No synchronisation."""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import loss_formula, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.functional_losses import IGNORED, Call
from dlmon_probes.training.loss_formula import Formula, Forward
from dlmon_probes.training.names import walk
from dlmon_probes.training.pass_batches import PassBatches
from dlmon_probes.training.predictions import PassPredictions, Predictor

MOST_LOGITS = 2_000_000  # elements of logits looked at per batch; of larger ones every k-th row


class Mean:
    """A weighted mean of values that may lie on a device: sum and weight stay there."""

    __slots__ = ("_sum", "_weight", "count")

    def __init__(self) -> None:
        self._sum: Any = None
        self._weight = 0.0
        self.count = 0

    def add(self, value: Any, weight: float) -> None:
        """value: a tensor of one element. Call within `immune`."""
        value = value.detach().reshape(1).float() * weight
        self._sum = value if self._sum is None else self._sum + value.to(self._sum.device, non_blocking=True)
        self._weight += weight
        self.count += 1

    @property
    def vector(self) -> Any:
        return None if self._sum is None or not self._weight else self._sum / self._weight


class Hits:
    """Right answers among targets that are classes: [right, counted, out of range], on the device."""

    __slots__ = ("vector",)

    def __init__(self) -> None:
        self.vector: Any = None

    def add(self, logits: Any, labels: Any, ignored: int = IGNORED) -> None:
        """logits: N×C; labels: N whole numbers; ignored: the one that does not count. Call within `immune`."""
        torch = tensors.torch_module()
        stride = max(1, -(-logits.numel() // MOST_LOGITS))
        logits, labels = logits.detach()[::stride], labels.detach()[::stride].long()
        counted = (labels != IGNORED) & (labels != ignored)
        right = (logits.argmax(dim=1) == labels) & counted
        outside = counted & ((labels < 0) | (labels >= logits.shape[1]))
        counts = torch.stack([right.sum(), counted.sum(), outside.sum()]).float()
        self.vector = counts if self.vector is None else self.vector + counts.to(self.vector.device, non_blocking=True)

    @staticmethod
    def share(values: Optional[list[float]]) -> Optional[float]:
        """None when nothing was counted, or when the targets are no classes of these logits."""
        if not values or not values[1] or values[2]:
            return None
        return values[0] / values[1]


class Pass:
    """Batches that went through the model with no backward. loader and iterator are -1 where there is no loader."""

    def __init__(self, loader: int, iterator: int, step: int, predictor: Predictor, name: str = "") -> None:
        self._at = PassBatches(alone=loader < 0)
        self.predictions = PassPredictions(predictor, self._at, loader, name)
        self.loader = loader
        self.iterator = iterator
        self.step = step
        self.name = name
        self.began = perf_counter()
        self.ended = self.began
        self.batches = 0
        self.rows = 0  # samples that the loader gave
        self.rows_with_grad = 0  # of them, those counted as a training step's so far
        self.seen_rows = 0  # samples in the model calls that were seen
        self.pulled_without_grad = 0
        self.forwards = 0
        self.without_grad = 0
        self.last_with_grad = False
        self.in_training_mode = True
        self.exhausted = False
        self.spent = 0.0
        self.where: Optional[events.Where] = None
        self.root: Optional[int] = None
        self._flags = (0, 0)
        self._root_training = False
        self._criterion, self._output, self._computed = Mean(), Mean(), Mean()
        self._by_function = Mean()
        self._by_criterion, self._by_formula = Hits(), Hits()
        self._since_criterion = 0
        self._several = False  # functional losses for one call of the model: no telling which one is the loss
        self._compared: Optional[tuple[Any, ...]] = None  # what the first one compared
        self._formula: Optional[Formula] = None  # that of the last call of the model

    def pulled(self, indices: Optional[list[int]]) -> None:
        """The loader handed out a batch. indices: of its samples in the data set, where they are known."""
        self.predictions.pulled()
        self._at.pulled(indices)

    def loader_ended(self) -> None:
        self.exhausted = True
        self.predictions.pulled()
        self._at.ended()

    def noted(self, grad: bool, training: bool) -> None:
        """The model was called, with or without gradients, in training or evaluation mode."""
        self.forwards += 1
        self.without_grad += not grad
        self.last_with_grad = grad
        self.in_training_mode = self.in_training_mode and training
        self.ended = perf_counter()

    def trains(self, latest: bool) -> bool:
        """Whether a backward that comes now belongs to these batches. latest: they were pulled last.

        Batches of a second loader of the same step have no calls of their own, or calls in training mode.
        """
        if self.pulled_without_grad == self.batches:
            return False
        if latest:
            return self.last_with_grad or not self.forwards
        return not self.exhausted and not self.without_grad and (self.in_training_mode or not self.forwards)

    # ------------------------------------------------------------ adding up (within `immune`)

    def forward(self, forward: Forward, rows: int, formula: Optional[Formula]) -> None:
        """A call of the model: its own loss if it returned one, and loss and hits by the training's formula."""
        self._since_criterion = 0
        self._compared = None
        self.seen_rows += rows
        returned = returned_loss(forward)
        if returned is not None:
            self._output.add(returned, rows)
        formula = formula or loss_formula.conventional(forward)
        another = self._at.called(forward, rows)
        self._formula = formula = self._at.formula_here(formula)
        self.predictions.forward(forward, rows, formula, another)
        if formula is None:
            return
        output, target = forward.tensor("outputs", formula.output), forward.tensor(formula.source, formula.target)
        if output is None or target is None or tensors.local(output) is None or tensors.local(target) is None:
            return
        target = loss_formula.beside(output, target)
        if formula.kind.startswith("ce"):
            pair = loss_formula.rows_of(formula.kind, output, target)
            if pair is not None:
                self._by_formula.add(*pair)
        if output.numel() <= MOST_LOGITS and loss_formula.fits(formula.kind, output, target):
            self._computed.add(loss_formula.value_of(formula.kind, output, target), rows)

    def criterion(self, module: Any, args: Any, output: Any, rows: int) -> None:
        """A call of a loss module after the model: the first one for each batch is the loss."""
        self._since_criterion += 1
        self.predictions.criterion(module, args, rows)
        if self._since_criterion > 1 or output.numel() != 1 or tensors.local(output) is None:
            return
        summed = module.__dict__.get("reduction") == "sum"
        self._criterion.add(output / rows if summed and rows else output, rows or 1)
        kind = "ce" if "CrossEntropy" in type(module).__name__ or type(module).__name__.startswith("NLL") else ""
        ignored = module.__dict__.get("ignore_index", IGNORED)
        if kind and len(args) >= 2:
            self._count_hits(args[0], args[1], ignored if type(ignored) is int else IGNORED)

    def functional(self, call: Call, trained_by: set[str]) -> None:
        """A loss was computed by a function after the model. It is the pass's loss if the training's is of that kind
        (trained_by: kinds of functions it calls; or its formula): others are metrics."""
        known = self._formula.kind if self._formula is not None else ""
        kind = "ce" if known.startswith("ce") else known
        if call.kind not in trained_by if not kind else call.kind != kind:
            return
        rows = self._at.rows
        self.predictions.functional(call, rows)
        if call.loss.numel() != 1 or tensors.local(call.loss) is None:
            return
        self._since_criterion += 1
        if self._since_criterion > 1:
            self._several = self._several or self._compared not in (None, call.compared())
            return
        self._compared = call.compared()
        self._by_function.add(call.loss / rows if call.reduction == "sum" and rows else call.loss, rows or 1)
        if call.kind == "ce":
            self._count_hits(call.outputs, call.targets, call.ignored)

    def _count_hits(self, logits: Any, labels: Any, ignored: int) -> None:
        if tensors.local(logits) is None or tensors.local(labels) is None:
            return
        pair = loss_formula.rows_of("ce", logits, labels)
        if pair is not None:
            self._by_criterion.add(*pair, ignored)

    def look_at_modes(self, roots: list[Any]) -> None:
        """Count Dropout and BatchNorm modules that are in training mode now."""
        torch = tensors.torch_module()
        dropout, norm = torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm
        on = [module for root in roots for _, module in walk(root) if module.__dict__.get("training", True)]
        self._root_training = any(bool(root.__dict__.get("training", True)) for root in roots)
        self._flags = (
            sum(1 for m in on if issubclass(type(m), dropout) and (m.__dict__.get("p") or 0) > 0),
            sum(1 for m in on if issubclass(type(m), norm) and m.__dict__.get("track_running_stats", True)),
        )

    # ------------------------------------------------------------ telling

    def tell(self, agent: Agent, unseen: str = "") -> None:
        """Write the Evaluation event once the numbers have arrived, and Predictions beside it. unseen: what kept model
        calls from being seen."""
        sources = [("criterion", self._criterion), ("output", self._output), ("computed", self._computed)]
        if not self._several:
            sources.insert(2, ("criterion", self._by_function))
        loss_from, loss = next(((name, mean) for name, mean in sources if mean.count), ("", None))
        if loss is None and self.loader < 0:
            return  # model calls without a loss and without a loader: sampling, rollouts
        by_criterion = self._by_criterion.vector is not None and not self._several
        hits = self._by_criterion if by_criterion else self._by_formula
        samples = self.rows or self.seen_rows
        seconds = max(self.ended - self.began, 0.0)
        grad = self.forwards > self.without_grad
        batches = self.batches or self.forwards
        now = time.time()

        def done(values: list[list[float]]) -> None:
            agent.emit(
                events.Evaluation(
                    t=now, step=self.step, batches=batches, samples=samples, seconds=seconds, loader=self.loader,
                    loss=values[0][0] if values[0] else None, loss_from=loss_from, accuracy=Hits.share(values[1]),
                    dropout_on=self._flags[0], norm_on=self._flags[1], grad_enabled=grad, where=self.where,
                    name=self.name, forwards=self.forwards, root_training=self._root_training, root=self.root,
                )
            )  # fmt: skip

        with tensors.immune():
            agent.later([loss.vector if loss is not None else None, hits.vector], done)
        self.predictions.tell(self.step, self.loader, self.name, samples, self.where, unseen, self.root)


def returned_loss(forward: Forward) -> Optional[Any]:
    """The loss that a model returned beside or instead of its output: `.loss`, `['loss']`, or the only scalar."""
    scalars = [leaf for leaf in forward.outputs if leaf.tensor.dim() == 0 and leaf.tensor.dtype.is_floating_point]
    named = [leaf for leaf in scalars if leaf.path in (".loss", "['loss']")]
    chosen = named or (scalars if len(scalars) == 1 else [])
    if not chosen or tensors.local(chosen[0].tensor) is None:
        return None
    return chosen[0].tensor
