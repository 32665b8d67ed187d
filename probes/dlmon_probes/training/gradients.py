"""Gradient norms, weight norms and update ratios per parameter, in sampled steps.

Whole-tensor norms are fused (`torch._foreach_norm`); zeros and |Δw|/|w| come from a strided subsample of at most 2,048
elements per parameter. No Python loop reads a value: everything becomes a few vectors that are read back once.
"""

from __future__ import annotations

import time
from math import inf
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.rows import Row

SUBSAMPLE = 2_048
BY_HAND = -1  # the "optimizer" of programs that update their weights themselves


def install(agent: Agent, loop: Loop) -> None:
    probe = GradientProbe(agent, loop)
    agent.guard("gradients", agent.sampled_before_step, probe.before_step)
    agent.guard("gradients", agent.sampled_after_step, probe.after_step)
    agent.guard("gradients", agent.sampled_after_backward, probe.after_backward_by_hand)
    agent.guard("gradients", agent.step_closed, probe.closed_by_hand)


class Group:
    """The parameters of one optimizer that share device and dtype: what was measured before its step."""

    def __init__(self, weights: list[Any]) -> None:
        torch = tensors.torch_module()
        self.weights = weights
        samples = [tensors.subsample(weight, SUBSAMPLE) for weight in weights]
        self.sizes = [int(sample.numel()) for sample in samples]
        self.before = torch.cat(samples).float()  # a copy: the step changes the weights in place
        self.norms = torch.stack(torch._foreach_norm(weights)).float()

    def update_ratios(self) -> Any:
        """|Δw|/|w| per parameter after the step, over the subsample. inf (or nan) for weights that were all zero."""
        torch = tensors.torch_module()
        after = torch.cat([tensors.subsample(weight, SUBSAMPLE) for weight in self.weights]).float()
        change = torch.stack(torch._foreach_norm(list((after - self.before).split(self.sizes))))
        size = torch.stack(torch._foreach_norm(list(self.before.split(self.sizes))))
        return change / size


class Sample:
    """One optimizer's step under the glass: weights before, gradients, and in the end what the step changed."""

    def __init__(self, optimizer: int, held: list[tuple[int, Any]], step: int) -> None:
        self.optimizer = optimizer
        self.step = step
        weights = {p: tensors.local(parameter) for p, parameter in held}
        self._held = [(p, parameter) for p, parameter in held if _measurable(weights[p])]
        self.ids = [p for p, _ in self._held]
        self._members = _by_kind(self.ids, weights)
        self._groups = [Group([_real(weights[p]) for p in part]) for part in self._members]
        self._order: list[list[int]] = []
        self._vectors: list[Any] = []
        self._total: Any = None
        self.has_gradients = False

    def read_gradients(self) -> None:
        grads = {p: _gradient(parameter) for p, parameter in self._held}
        with_grad = [p for p, grad in grads.items() if grad is not None]
        self._order, self._vectors, self._total = _gradient_vectors(with_grad, grads)
        self.has_gradients = True

    def finish(self, agent: Agent, row: Row) -> None:
        """Measure the change and write the event once everything can be read."""
        reads = [self._total, *self._vectors]
        for group in self._groups:
            reads += [group.norms, group.update_ratios()]
        self._groups.clear()
        self._held.clear()
        count = 1 + len(self._vectors)

        def done(values: list[list[float]]) -> None:
            columns = Columns(self.ids)
            columns.gradients(self._order, values[1:count])
            for part, norms, updates in zip(self._members, values[count::2], values[count + 1 :: 2]):
                columns.weights(part, norms, updates)
            total = values[0][0] if values[0] else None
            if row.grad_norm is None:
                row.grad_norm = total
            agent.emit(columns.event(self.step, self.optimizer, total))

        agent.later(reads, done)


class GradientProbe:
    """Measures at an optimizer's step pre-hook and post-hook; without an optimizer, at the backward and the next one.

    With a closure (LBFGS) the backward runs inside the step: then gradients are read in the post-hook.
    """

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._sample: Optional[Sample] = None

    def before_step(self, optimizer: Any, index: int) -> None:
        self._sample = None
        if not tensors.out_of_reach():
            held = [p for group in optimizer.param_groups for p in group["params"]]
            self._begin(index, held, read=self._loop.row.backwards > 0)

    def _begin(self, index: int, held: list[Any], read: bool) -> None:
        began = perf_counter()
        names = self._agent.names
        pairs = dict.fromkeys((names.index(p), p) for p in held)
        with tensors.immune():
            sample = Sample(index, [(p, parameter) for p, parameter in pairs if p is not None], self._agent.step)
            if read:
                sample.read_gradients()
        self._sample = sample
        self._agent.governor.pay_for("gradients", perf_counter() - began)

    def after_step(self, _optimizer: Any, index: int) -> None:
        if self._sample is not None and self._sample.optimizer == index:
            self._finish()

    def _finish(self) -> None:
        sample, self._sample = self._sample, None
        if sample is None:
            return
        began = perf_counter()
        with tensors.immune():
            if not sample.has_gradients:
                sample.read_gradients()
            sample.finish(self._agent, self._loop.row)
        self._agent.governor.pay_more("gradients", perf_counter() - began)

    def after_backward_by_hand(self, _series: int) -> None:
        if not self._loop.optimizer_made and self._sample is None and not tensors.out_of_reach():
            self._begin(BY_HAND, [p for _, p in self._agent.names.known() if p.requires_grad], read=True)

    def closed_by_hand(self, _step: int) -> None:
        if self._sample is not None and self._sample.optimizer == BY_HAND:
            self._finish()


class Columns:
    """Values by parameter, put together to the event's columns."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = list(dict.fromkeys(ids))
        self._values: dict[str, dict[int, float]] = {
            name: {} for name in ("norm", "max_abs", "zeros", "nonfinite", "weight", "update")
        }

    def gradients(self, order: list[list[int]], vectors: list[list[float]]) -> None:
        for part, start in zip(order, range(0, len(vectors), 4)):
            for name, column in zip(("norm", "max_abs", "zeros", "nonfinite"), vectors[start : start + 4]):
                self._values[name].update(zip(part, column))

    def weights(self, part: list[int], norms: list[float], updates: list[float]) -> None:
        self._values["weight"].update(zip(part, norms))
        self._values["update"].update((p, update) for p, update in zip(part, updates) if update != inf)

    def event(self, step: int, optimizer: int, total: Optional[float]) -> events.Gradients:
        def column(name: str) -> list[Optional[float]]:
            return [self._values[name].get(p) for p in self._ids]

        return events.Gradients(
            t=time.time(), step=step, optimizer=optimizer, p=self._ids, norm=column("norm"),
            max_abs=column("max_abs"), zeros=column("zeros"),
            nonfinite=[int(self._values["nonfinite"].get(p, 0)) for p in self._ids],
            weight=column("weight"), update=column("update"), total=total,
        )  # fmt: skip


def _gradient_vectors(with_grad: list[int], grads: dict[int, Any]) -> tuple[list[list[int]], list[Any], Any]:
    """([parameters of each group], [norm, max_abs, zeros, nonfinite of each group…], total norm)."""
    torch = tensors.torch_module()
    order, vectors, norms_on_first = [], [], []
    for part in _by_kind([p for p in with_grad if grads[p].numel()], grads):
        gradients = [grads[p] for p in part]
        norms = torch.stack(torch._foreach_norm(gradients)).float()
        largest = torch.stack(torch._foreach_norm(gradients, float("inf"))).float()
        samples = [tensors.subsample(gradient, SUBSAMPLE) for gradient in gradients]
        sizes = [int(sample.numel()) for sample in samples]
        flat = torch.cat(samples)
        zeros = _shares((flat == 0).float(), sizes)
        # Exact counts cost a pass per parameter; the subsample scaled up is enough once a norm says there are some.
        bad = _shares((~torch.isfinite(flat)).float(), sizes)
        counts = torch.tensor([float(g.numel()) for g in gradients], device="cpu").to(flat.device, non_blocking=True)
        nonfinite = torch.where(torch.isfinite(norms), torch.zeros_like(bad), (bad * counts).clamp(min=1))
        order.append(part)
        vectors += [norms, largest, zeros, nonfinite]
        norms_on_first.append(norms)
    total = None
    if norms_on_first:
        device = norms_on_first[0].device
        squares = [(norms.double() ** 2).sum().to(device, non_blocking=True) for norms in norms_on_first]
        total = torch.stack(squares).sum().sqrt().reshape(1)
    return order, vectors, total


def _shares(flags: Any, sizes: list[int]) -> Any:
    """Mean of 0/1 flags over consecutive pieces of the given sizes."""
    torch = tensors.torch_module()
    counts = torch.stack(torch._foreach_norm(list(flags.split(sizes)), 1))
    return counts / torch.tensor([float(size) for size in sizes], device="cpu").to(flags.device, non_blocking=True)


def _gradient(parameter: Any) -> Optional[Any]:
    if not parameter.is_leaf or parameter.grad is None:
        return None
    grad = parameter.grad
    if grad.is_sparse:
        # On a GPU coalescing would wait for the device: rows that occur twice then count twice.
        grad = grad.coalesce()._values() if grad.device.type == "cpu" else grad._values()
    readable = tensors.local(grad)
    return _real(readable) if readable is not None and (grad.numel() == 0 or _measurable(readable)) else None


def _measurable(tensor: Optional[Any]) -> bool:
    if tensor is None or not tensor.numel():
        return False
    return bool(tensor.dtype.is_floating_point or tensor.dtype.is_complex)


def _real(tensor: Any) -> Any:
    """A complex tensor as its real and imaginary parts."""
    return tensors.torch_module().view_as_real(tensor) if tensor.dtype.is_complex else tensor


def _by_kind(keys: list[int], values: dict[int, Any]) -> list[list[int]]:
    """Keys grouped by device and dtype of their tensors: what fused operations need."""
    groups: dict[tuple[Any, Any], list[int]] = {}
    for key in keys:
        groups.setdefault((values[key].device, values[key].dtype), []).append(key)
    return list(groups.values())


def by_kind(items: list[Any]) -> list[list[Any]]:
    """Tensors grouped by device and dtype."""
    return [[items[i] for i in part] for part in _by_kind(list(range(len(items))), dict(enumerate(items)))]
