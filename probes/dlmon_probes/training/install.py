"""Puts the probes into torch, right after torch was imported. Classes and module functions only, never instances.

Hooks on instances break pickling and deep copies; full backward hooks break in-place ReLUs; a replaced
`optimizer.step` breaks schedulers. What is patched here held on every program tried.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from dlmon_probes import control
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop


def install(
    run: str, page: control.ControlPage, budget: float, stage: Optional[Callable[[Agent, Loop], None]] = None
) -> Agent:
    """Make the agent of this process and patch torch (which must be imported). stage: what a rehearsal puts between
    the program and the instruments."""
    agent = Agent(run, page, budget)
    loop = Loop(agent)
    for patch in (_backward, _grad, _optimizer_steps, _optimizer_init, _grad_scaler):
        attempt(agent, patch.__name__.strip("_"), patch, agent, loop)
    if stage is not None:
        attempt(agent, "stage", stage, agent, loop)
    from dlmon_probes.training import instruments

    instruments.install(agent, loop)
    return agent


def attempt(agent: Agent, probe: str, function: Callable[..., Any], *args: Any) -> None:
    """Call `function`; a failure is reported as `probe`'s and goes no further."""
    try:
        function(*args)
    except Exception as error:
        agent.report(probe, error)


def _backward(agent: Agent, loop: Loop) -> None:
    """`Tensor.backward` and every framework's backward end in `torch.autograd.backward`."""
    import torch

    original = torch.autograd.backward
    is_compiling, tensor_class = torch.compiler.is_compiling, torch.Tensor

    def failed(error: Exception) -> None:
        agent.report("backward", error)
        torch.autograd.backward = original

    @functools.wraps(original)
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        if loop.depth:  # checkpointing runs a backward inside the backward
            return original(tensors, *args, **kwargs)
        series = -1
        try:
            if not is_compiling():
                series = loop.backward_begins(tensors if isinstance(tensors, tensor_class) else _first(tensors))
        except Exception as error:
            failed(error)
        loop.depth = 1
        try:
            result = original(tensors, *args, **kwargs)
        finally:
            loop.depth = 0
        if series >= 0 and agent.sampling:
            try:
                loop.backward_ended(series)
            except Exception as error:
                failed(error)
        return result

    torch.autograd.backward = backward


def _grad(agent: Agent, loop: Loop) -> None:
    """`torch.autograd.grad` is the backward of programs that update by hand; of others it is a part of the forward."""
    import torch

    original = torch.autograd.grad

    @functools.wraps(original)
    def grad(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Second-order uses are part of a loss: positional arguments are inputs, grad_outputs, retain_, create_graph.
        second_order = kwargs.get("create_graph", args[3] if len(args) > 3 else False)
        functional = torch._C._functorch.peek_interpreter_stack() is not None
        if loop.depth or loop.optimizer_made or (second_order and not functional) or torch.compiler.is_compiling():
            return original(outputs, *args, **kwargs)
        series = -1
        try:
            series = loop.backward_begins(_first(outputs), "grad")
        except Exception as error:
            agent.report("grad", error)
        loop.depth += 1
        try:
            result = original(outputs, *args, **kwargs)
        finally:
            loop.depth -= 1
        if series >= 0 and agent.sampling:
            attempt(agent, "grad", loop.backward_ended, series)
        return result

    torch.autograd.grad = grad


def _first(tensors: Any) -> Any:
    """The first tensor of several that go backward together."""
    import torch

    first = next(iter(tensors)) if isinstance(tensors, (list, tuple)) else tensors
    if not isinstance(first, torch.Tensor):
        raise TypeError(f"backward of {type(tensors).__name__} is not followed")
    return first


def _optimizer_steps(agent: Agent, loop: Loop) -> None:
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    def failed(error: Exception) -> None:
        agent.report("optimizer step", error)
        for handle in handles:
            handle.remove()

    def before(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        if loop.lone == id(optimizer) and not agent.sampling:
            return
        try:
            loop.step_begins(optimizer)
        except Exception as error:
            failed(error)

    def after(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        try:
            loop.step_ended(optimizer)
        except Exception as error:
            failed(error)

    handles = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]


def _optimizer_init(agent: Agent, loop: Loop) -> None:
    from torch.optim import Optimizer

    original = Optimizer.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        attempt(agent, "optimizer", loop.made, self)

    Optimizer.__init__ = __init__


def _grad_scaler(_agent: Agent, loop: Loop) -> None:
    """Remember the loss before `GradScaler.scale`, so that the log has the loss and not 65,536 times it."""
    from torch.amp.grad_scaler import GradScaler

    original = GradScaler.scale

    @functools.wraps(original)
    def scale(self: Any, outputs: Any) -> Any:
        result = original(self, outputs)
        if result is not outputs and hasattr(outputs, "detach"):
            loop.scaled = (id(result), outputs.detach())
        return result

    GradScaler.scale = scale
