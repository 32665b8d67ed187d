"""What reaches the first layer with weights, in the first forwards that a backward follows."""

from __future__ import annotations

import time
import weakref
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.events_data import FirstInput
from dlmon_probes.training import structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import ForwardWatch, pack, unpack, watch_of
from dlmon_probes.training.loop import Loop

NAME = "first input"
LOOKS = 3  # backwards whose forward is looked at
MOST_CALLS = 4_000  # module calls after which it is given up
LAYERS = 8
MOST_COLUMNS = 64


class _Seen:
    """The first layer of a forward, and the leaf modules from it on."""

    def __init__(self, module: Any, tensor: Any) -> None:
        self.module = weakref.ref(module)
        self.cls = type(module).__name__
        self.batch_first: Optional[bool] = module.__dict__.get("batch_first")
        self.measured = tensors.Measured(tensor)
        self.columns = _columns(tensor)
        self.layers = [self.cls]


def _columns(tensor: Any) -> Optional[Any]:
    """[means, spreads] by channel (4 or 5 dimensions: the second, else the last)."""
    torch = tensors.torch_module()
    x = tensors.local(tensor)
    if x is None or x.dim() < 2 or not x.numel() or x.dtype.is_complex or x.dtype is torch.bool:
        return None
    x = x.transpose(1, -1) if x.dim() >= 4 else x
    x = x.reshape(-1, x.shape[-1])
    rows, width = x.shape
    x = x[:: max(1, -(-rows // 1_024)), :: max(1, -(-width // MOST_COLUMNS))].float()
    return torch.cat([x.mean(0), x.var(0, unbiased=False).sqrt()])


class FirstInputProbe:
    def __init__(self, agent: Agent, loop: Loop, watch: ForwardWatch) -> None:
        self._agent = agent
        self._loop = loop
        self._watch = watch
        self._calls = 0
        self._looks = 0
        self._seen: Optional[_Seen] = None
        watch.follow(NAME, every=(self.enter, self.leave))

    def enter(self, _module: Any) -> None:
        self._calls += 1
        if self._calls > MOST_CALLS:
            self._watch.leave(NAME)

    def leave(self, module: Any, args: Any, kwargs: Any, _output: Any) -> None:
        own = module.__dict__
        composed = bool(own.get("_modules")) and type(module).__name__ != "MultiheadAttention"
        if composed or not tensors.torch_module().is_grad_enabled() or not own.get("training", True):
            return
        if self._seen is not None:
            if len(self._seen.layers) < LAYERS:
                self._seen.layers.append(type(module).__name__)
        elif any(value is not None for value in own.get("_parameters", {}).values()):
            with tensors.immune():
                found = structures.leaves((args, kwargs), 1)
                if found:
                    self._seen = _Seen(module, found[0].tensor)

    def at_backward(self, _loss: Any, _series: int) -> None:
        seen, self._seen = self._seen, None
        self._looks += 1
        if self._looks >= LOOKS:
            self._watch.leave(NAME)
        if seen is None:
            return
        began = perf_counter()
        agent, step, rows = self._agent, self._agent.step, self._loop.row.samples
        names = agent.names
        module = seen.module()
        name = (names.module_name(module) if names is not None and module is not None else None) or ""
        with tensors.immune():
            vectors, lengths = pack([seen.measured.vector, seen.columns])

            def done(values: list[list[float]]) -> None:
                numbers, columns = unpack(values, lengths)
                mean: list[events.Number] = []
                std: list[events.Number] = []
                if columns:
                    mean, std = [*columns[: len(columns) // 2]], [*columns[len(columns) // 2 :]]
                agent.emit(
                    FirstInput(
                        time.time(), step, name, seen.cls, seen.measured.facts(numbers), seen.layers,
                        mean, std, seen.batch_first, rows,
                    )
                )  # fmt: skip

            agent.later(vectors, done)
        agent.governor.pay_more(NAME, perf_counter() - began)


def install(agent: Agent, loop: Loop) -> None:
    probe = FirstInputProbe(agent, loop, watch_of(agent))
    agent.guard(NAME, agent.sampled_before_backward, probe.at_backward)
