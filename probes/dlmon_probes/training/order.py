"""The order of zero_grad, backward, clip, scheduler and step in sampled steps, and what they did to the gradients.

Ground truth are the gradients themselves: their norm when each backward begins, when the last has returned, and when
the optimizer reads them. So clearing by `p.grad = None` counts like `zero_grad()`.
"""

from __future__ import annotations

import functools
import time
import weakref
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.training import callsite, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.gradients import BY_HAND, by_kind
from dlmon_probes.training.loop import Loop

MOST_CALLS = 64

_probes: weakref.WeakKeyDictionary[Agent, OrderProbe] = weakref.WeakKeyDictionary()


def probe_of(agent: Agent) -> Optional[OrderProbe]:
    """The probe that notes calls, for instruments that have some to note."""
    return _probes.get(agent)


def known_index(loop: Loop, optimizer: Any) -> Optional[int]:
    """The optimizer's index; None where it has none yet (asking gives it none)."""
    index = loop.optimizers.get(id(optimizer))
    return index if id(optimizer) in loop._alive else None


def install(agent: Agent, loop: Loop) -> None:
    probe = _probes[agent] = OrderProbe(agent, loop)
    agent.guard("order", agent.sampled_before_backward, probe.before_backward)
    agent.guard("order", agent.sampled_after_backward, probe.after_backward)
    agent.guard("order", agent.sampled_before_step, probe.before_step)
    agent.guard("order", agent.step_closed, probe.step_closed)
    _wrap_calls(agent, probe)
    _wrap_scaler(agent, probe)


class Account:
    """One optimizer's gradients through one step: vectors that are read when the step is complete."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.after: Any = None
        self.at_step: Any = None
        self.backwards = 0
        self.held = 0
        self.with_gradient = 0
        self.stepped = False


class OrderProbe:
    """Gathers calls and gradient norms while a step is sampled; writes them when it is closed."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._calls: list[events.Call] = []
        self._accounts: dict[int, Account] = {}
        self._previous: dict[int, tuple[int, Optional[float]]] = {}  # optimizer → (step, norm at it)

    def note(self, op: str, of: Optional[int]) -> None:
        if self._agent.sampling and len(self._calls) < MOST_CALLS:
            self._calls.append(events.Call(op, of, callsite.where(callsite.caller())))

    def _groups(self) -> list[tuple[int, list[Any]]]:
        """(optimizer, its parameters) of every optimizer; all known parameters when updates are made by hand."""
        loop = self._loop
        groups = [
            (loop.index_of(optimizer), [p for group in optimizer.param_groups for p in group["params"]])
            for optimizer in list(loop.made_at)
        ]
        if not groups and self._agent.names is not None:
            groups = [(BY_HAND, [p for _, p in self._agent.names.known()])]
        return groups

    def before_backward(self, _loss: Any, series: int) -> None:
        if not self._agent.sampling or tensors.out_of_reach():
            return
        began = perf_counter()
        self.note("backward", series)
        if self._loop.row.backwards <= 8:
            with tensors.immune():
                for index, parameters in self._groups():
                    account = self._accounts.setdefault(index, Account())
                    account.before.append(_norm(parameters))
                    account.backwards += 1
        self._agent.governor.pay_for("order", perf_counter() - began)

    def after_backward(self, _series: int) -> None:
        if not self._accounts or self._loop.row.backwards > 8:
            return
        began = perf_counter()
        with tensors.immune():
            for index, parameters in self._groups():
                account = self._accounts.get(index)
                if account is not None:
                    account.after = _norm(parameters)
                    if index == BY_HAND:
                        account.at_step = account.after
                        account.stepped = True
                        self._count(account, parameters)
        self._agent.governor.pay(perf_counter() - began)

    def before_step(self, optimizer: Any, index: int) -> None:
        if not self._agent.sampling:
            return
        began = perf_counter()
        self.note("step", index)
        account = self._accounts.get(index)
        if account is not None:
            account.stepped = True
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            with tensors.immune():
                account.at_step = _norm(parameters)
                self._count(account, parameters)
        self._agent.governor.pay(perf_counter() - began)

    @staticmethod
    def _count(account: Account, parameters: list[Any]) -> None:
        leaves = [p for p in parameters if p.requires_grad and p.is_leaf]
        account.held = len(leaves)
        account.with_gradient = sum(p.grad is not None for p in leaves)

    def step_closed(self, step: int) -> None:
        calls, self._calls = self._calls, []
        accounts, self._accounts = self._accounts, {}
        if not accounts and not calls:
            return
        items = [(index, account) for index, account in accounts.items() if account.stepped]
        vectors = [v for _, a in items for v in (*a.before, a.after, a.at_step)]

        def done(values: list[list[float]]) -> None:
            clearing = []
            for index, account in items:
                count = len(account.before) + 2
                numbers: list[Optional[float]] = [value[0] if value else None for value in values[:count]]
                del values[:count]
                at_step = numbers[-1]
                before_step, before = self._previous.get(index, (-2, None))
                clearing.append(
                    events.Clearing(
                        index, account.backwards, numbers[:-2], numbers[-2], at_step,
                        before if before_step == step - 1 else None, account.held, account.with_gradient,
                    )
                )  # fmt: skip
                self._previous[index] = (step, at_step)
            self._agent.emit(events.Order(time.time(), step, calls, clearing))

        with tensors.immune():
            self._agent.later(vectors, done)


def _norm(parameters: list[Any]) -> Optional[Any]:
    """Total norm of the gradients that exist, as a vector of one element; None when there are none."""
    torch = tensors.torch_module()
    gradients = []
    for parameter in parameters:
        grad = parameter.grad if parameter.is_leaf else None
        if grad is None:
            continue
        readable = tensors.local(grad._values() if grad.is_sparse else grad)
        if readable is not None and readable.numel():
            gradients.append(torch.view_as_real(readable) if readable.dtype.is_complex else readable)
    if not gradients:
        return None
    norms = [torch.stack(torch._foreach_norm(part)).float() for part in by_kind(gradients)]
    device = norms[0].device
    totals = [torch._foreach_norm([part])[0].to(device, non_blocking=True) for part in norms]
    return torch.stack(torch._foreach_norm([torch.stack(totals)]))


def _wrap_calls(agent: Agent, probe: OrderProbe) -> None:
    """Note calls of zero_grad and of gradient clipping. Their work is left alone."""
    import torch
    from torch.nn.utils import clip_grad

    def noting(op: str, original: Callable[..., Any], index_of: Callable[[Any], Optional[int]]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if agent.sampling and not torch.compiler.is_compiling():
                try:
                    probe.note(op, index_of(args[0] if args else None))
                except Exception as error:
                    agent.report("order", error)
            return original(*args, **kwargs)

        return call

    optimizer, module = torch.optim.Optimizer, torch.nn.Module
    optimizer.zero_grad = noting("zero_grad", optimizer.zero_grad, probe._loop.index_of)
    module.zero_grad = noting("zero_grad", module.zero_grad, lambda _: None)
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        wrapped = noting("clip", getattr(clip_grad, name), lambda _: None)
        setattr(clip_grad, name, wrapped)
        setattr(torch.nn.utils, name, wrapped)


def _wrap_scaler(agent: Agent, probe: OrderProbe) -> None:
    """Note what a gradient scaler does, if it is not switched off: scale, unscale, scaled_step."""
    try:
        from torch.amp.grad_scaler import GradScaler
    except ImportError:  # torch < 2.3
        from torch.cuda.amp.grad_scaler import GradScaler

    def noting(op: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if agent.sampling and self.__dict__.get("_enabled"):
                try:
                    of = known_index(probe._loop, args[0]) if args and op != "scale" else None
                    probe.note(op, of)
                except Exception as error:
                    agent.report("order", error)
            return original(self, *args, **kwargs)

        return call

    for op, name in (("scale", "scale"), ("unscale", "unscale_"), ("scaled_step", "step")):
        setattr(GradScaler, name, noting(op, getattr(GradScaler, name)))
