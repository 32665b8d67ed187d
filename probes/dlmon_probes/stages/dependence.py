"""What a module's outputs depend on: its inputs at all, and the other samples of the batch.

Values tell the first: outputs for inputs set to zero and for samples in another order. The second takes two facts,
since each alone has innocent causes: the gradient of one sample's output reaches the inputs of others, and samples in
another order do not simply come out in that order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events import Number
from dlmon_probes.stages.held_calls import HeldCall
from dlmon_probes.stages.twins import NotCopyable, Twin
from dlmon_probes.training import names, structures, tensors
from dlmon_probes.training.graph import walk

SAME = 1e-5  # two runs on the same inputs differ by less, relative to the largest output: kernels that add in any order
FEWEST = 3  # samples: of two, one in another order is the other
MOST_NODES = 6_000
REACHED = 1e-6  # of the largest gradient in a sample's own input
NORMS = ("NativeBatchNormBackward0", "CudnnBatchNormBackward0", "MiopenBatchNormBackward0")


class Unclear(Exception):
    """The text says why nothing can be said."""


@dataclass
class Dependence:
    """See events_model.ExtraForward."""

    same: Number = None
    zeroed: Number = None
    rolled: Number = None
    gradient: Number = None
    zero_weights: int = 0
    judged_rows: bool = False
    reached: Optional[int] = None
    order_roll: Number = None
    order_flip: Number = None
    time_first: list[str] = field(default_factory=list)
    statistics: bool = False


@dataclass
class _Watched:
    """What is seen in the forward that keeps its graph."""

    rows: Optional[int]
    leaves: list[Any] = field(default_factory=list)  # that need a gradient: float inputs, embedded numbers
    time_first: list[str] = field(default_factory=list)

    def attach(self, twin: Twin) -> None:
        nn = tensors.torch_module().nn
        register = nn.Module.register_forward_hook
        for name, module in twin.modules():
            if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                register(module, self._embedded)
            elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)) and not module.__dict__.get("batch_first"):
                register(module, self._sequence(name), with_kwargs=True)

    def _embedded(self, _module: Any, _args: Any, output: Any) -> Any:
        leaf = output.detach().requires_grad_()
        self.leaves.append(leaf)
        return leaf

    def _sequence(self, name: str) -> Any:
        def called(_module: Any, args: Any, kwargs: Any, _output: Any) -> None:
            found = structures.leaves((args, kwargs), 1)
            shape = tuple(found[0].tensor.shape) if found else ()
            if len(shape) == 3 and shape[0] == self.rows and name not in self.time_first:
                self.time_first.append(name)

        return called


def measure(module: Any, held: HeldCall, rows: Optional[int], until: float) -> Dependence:
    """Run the module's forward on `held` and on changes of it. rows: samples in the batch, where the data loader says.

    Raises Unclear or NotCopyable where nothing can be said, and what the forward raises. until: perf_counter after
    which no other forward is begun.
    """
    nn_module = tensors.torch_module().nn.modules.module
    if nn_module._global_forward_hooks or nn_module._global_forward_pre_hooks:
        raise NotCopyable("there are global forward hooks")
    runs = _Runs(module, held, until)
    found = Dependence(zero_weights=_zero_weights(module))
    base = runs.with_graph(rows, found)
    again = runs.outputs(held.given)
    found.same = difference(base, again)
    if found.same is None or found.same > SAME:
        raise Unclear("two runs on the same inputs differ: it draws random numbers in eval mode, or keeps a state")
    if any(_floating(tensor) and _varies(tensor) for tensor in held.given):
        found.zeroed = difference(base, runs.outputs([_zero(tensor) for tensor in held.given]))
    count = rows or next((int(tensor.shape[0]) for tensor in held.given if tensor.dim()), 0)
    rolled = [_rolled(tensor, count) for tensor in held.given]
    if count < 2 or not any(bool((a != b).any()) for a, b in zip(rolled, held.given)):
        return found
    moved = runs.outputs(rolled)
    found.rolled = difference(base, moved)
    if found.reached and found.judged_rows:
        found.order_roll = _out_of_order(base, moved, count, lambda t: t.roll(1, 0))
        flipped = runs.outputs([tensor.flip(0) if _of_rows(tensor, count) else tensor for tensor in held.given])
        found.order_flip = _out_of_order(base, flipped, count, lambda t: t.flip(0))
    return found


class _Runs:
    """Forwards of fresh twins."""

    def __init__(self, module: Any, held: HeldCall, until: float) -> None:
        self._module, self._held, self._until = module, held, until

    def outputs(self, given: list[Any]) -> list[Any]:
        """The floating tensors that come out, without history."""
        if perf_counter() > self._until:
            raise Unclear("the time is over")
        return [tensor.detach() for tensor in self._forward([tensor.clone() for tensor in given], None)]

    def with_graph(self, rows: Optional[int], found: Dependence) -> list[Any]:
        """The same, with the facts that gradients tell put into `found`."""
        watched = _Watched(rows)
        given = [tensor.clone() for tensor in self._held.given]
        for tensor in given:
            if _floating(tensor):
                watched.leaves.append(tensor.requires_grad_())
        made = self._forward([tensor.clone() if tensor.requires_grad else tensor for tensor in given], watched)
        base = [tensor.detach().clone() for tensor in made]
        if not base:
            raise Unclear("no floating tensor comes out of it")
        if any(not bool(tensor.isfinite().all()) for tensor in base):
            raise Unclear("its output is not finite")
        if watched.leaves:
            found.gradient = _largest(_gradients(made, watched.leaves))
        if rows is not None:
            self._rows(made, watched, rows, found)
        return base

    def _forward(self, given: list[Any], watched: Optional[_Watched]) -> list[Any]:
        torch = tensors.torch_module()
        twin = Twin(self._module)
        try:
            if watched is not None:
                watched.attach(twin)
            args, kwargs = self._held.with_tensors(given)
            with torch.enable_grad():
                output = torch.nn.Module.__call__(twin.root, *args, **kwargs)
        finally:
            twin.close()
        return [leaf.tensor for leaf in structures.leaves(output) if _floating(leaf.tensor)]

    def _rows(self, made: list[Any], watched: _Watched, rows: int, found: Dependence) -> None:
        outputs = [tensor for tensor in made if _of_rows(tensor, rows) and tensor.requires_grad]
        leaves = [leaf for leaf in watched.leaves if _of_rows(leaf, rows)]
        every = [*self._held.given, *outputs, *leaves]
        twice = any(size == rows for tensor in every for size in tuple(tensor.shape)[1:])
        if rows < FEWEST or not outputs or not leaves or twice:
            return
        found.time_first = watched.time_first
        found.statistics = _takes_statistics(outputs)
        found.judged_rows = True
        found.reached = max(_others(outputs, leaves, row) for row in (0, rows - 1))


def _others(outputs: list[Any], leaves: list[Any], row: int) -> int:
    """How many other samples' inputs the gradient of sample `row`'s output reaches."""
    torch = tensors.torch_module()
    grads = _gradients([tensor[row] for tensor in outputs], leaves)
    strengths = [g.abs().reshape(g.shape[0], -1).amax(1).double() for g in grads if g is not None and g.numel()]
    if not strengths:
        return 0
    strength = torch.stack(strengths).amax(0)
    if not bool(strength.isfinite().all()):
        raise Unclear("gradients are not finite")
    others = strength > REACHED * strength.max()
    others[row] = False
    return int(others.sum())


def _gradients(outputs: list[Any], leaves: list[Any]) -> list[Any]:
    """Of a sum with uneven weights: the plain sum of a softmax or a normalised row is constant."""
    torch = tensors.torch_module()
    total = None
    for tensor in outputs:
        if tensor.requires_grad and tensor.numel():
            weights = torch.arange(tensor.numel(), device=tensor.device).cos().to(tensor.dtype).reshape(tensor.shape)
            part = (tensor * weights).sum().float()
            total = part if total is None else total + part
    if total is None:
        return []
    return list(torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True))


def _largest(grads: list[Any]) -> float:
    return max((float(g.abs().max()) for g in grads if g is not None and g.numel()), default=0.0)


def _takes_statistics(outputs: list[Any]) -> bool:
    """Batch normalisation that keeps no running statistics mixes samples on purpose."""
    seen: list[bool] = []

    def look(node: Any) -> None:
        if type(node).__name__ in NORMS:
            seen.append(bool(getattr(node, "_saved_training", True)))

    for tensor in outputs:
        walk(tensor.grad_fn, look, MOST_NODES)
    return any(seen)


def difference(base: list[Any], other: list[Any]) -> Number:
    """The largest change of any output, relative to the largest value of that output; 1 where shapes differ."""
    if [tensor.shape for tensor in base] != [tensor.shape for tensor in other]:
        return 1.0
    largest = 0.0
    for a, b in zip(base, other):
        if a.numel():
            scale = max(float(a.double().abs().max()), float(b.double().abs().max()), 1e-300)
            change = float((a.double() - b.double()).abs().max()) / scale
            if change != change:
                return 1.0
            largest = max(largest, change)
    return largest


def _out_of_order(base: list[Any], moved: list[Any], rows: int, order: Any) -> Number:
    """How far outputs for samples in another order are from the outputs in that order."""
    a = [order(tensor) for tensor in base if _of_rows(tensor, rows)]
    return difference(a, [tensor for tensor in moved if _of_rows(tensor, rows)])


def _of_rows(tensor: Any, rows: int) -> bool:
    return bool(tensor.dim() and tensor.shape[0] == rows)


def _rolled(tensor: Any, rows: int) -> Any:
    return tensor.roll(1, 0) if _of_rows(tensor, rows) else tensor


def _floating(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating_point)


def _varies(tensor: Any) -> bool:
    """Not so of the zeros that a module gets which needs no input."""
    return bool(tensor.numel() and (tensor != tensor.reshape(-1)[0]).any())


def _zero(tensor: Any) -> Any:
    return tensors.torch_module().zeros_like(tensor) if _floating(tensor) else tensor


def _zero_weights(module: Any) -> int:
    """Weights of two and more dimensions that are zero throughout: what stands behind them cannot be seen."""
    own = {id(p): tensors.local(p) for _, part in names.walk(module) for _, p in names.own_parameters(part)}
    known = [weight for weight in own.values() if weight is not None]
    return sum(1 for weight in known if weight.dim() > 1 and weight.numel() and not bool((weight != 0).any()))
