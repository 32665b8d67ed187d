"""Modules that behave differently in training and evaluation, as they stand when a loss goes backward."""

from __future__ import annotations

import time
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import callsite, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.names import own_parameters, walk


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard("modes", agent.sampled_before_backward, ModesProbe(agent).at_backward)


class ModesProbe:
    """Writes a Modes event when the flags differ from what was last written. Only flags are read."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._told: Optional[tuple[Any, ...]] = None

    def at_backward(self, _loss: Any, series: int) -> None:
        agent = self._agent
        if not agent.sampling or agent.names is None:
            return
        modes: list[events.Mode] = []
        root_training = True
        with tensors.immune():  # asking a parameter subclass whether it requires a gradient runs its own code
            for root in self._roots(series):
                root_training = root_training and bool(root.__dict__.get("training", True))
                modes += _modes_of(agent, root)
        signature = (root_training, tuple((mode.name, mode.training, mode.trains, mode.p) for mode in modes))
        if signature == self._told or not modes:
            return
        self._told = signature
        place = callsite.where(callsite.caller())
        agent.emit(events.Modes(time.time(), agent.step, root_training, modes, place, agent.switched))

    def _roots(self, series: int) -> list[Any]:
        """The roots this loss reaches; all of them where the graph was not read."""
        roots = self._agent.names.roots()
        reached = self._agent.reached.get(series)
        if reached is None:
            return list(roots)
        index = self._agent.names.index
        return [
            root
            for root in roots
            if any(index(p) in reached for _, module in walk(root) for _, p in own_parameters(module))
        ]


def _modes_of(agent: Agent, root: Any) -> list[events.Mode]:
    torch = tensors.torch_module()
    dropout, batch_norm = torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm
    found: list[events.Mode] = []
    trained = _trained_prefixes(root)
    for path, module in walk(root):
        own = module.__dict__
        kind = type(module)
        p = own.get("p") if issubclass(kind, dropout) else own.get("dropout")
        sensitive = isinstance(p, float) and p > 0
        if issubclass(kind, batch_norm):
            sensitive, p = bool(own.get("track_running_stats", True)), None
        if sensitive:
            affine = [q.requires_grad for _, q in own_parameters(module)]
            around = any(affine) if affine else path.rpartition(".")[0] in trained
            name = agent.names.module_name(module) or path
            found.append(events.Mode(name, kind.__name__, bool(own.get("training", True)), p, around))
    return found


def _trained_prefixes(root: Any) -> set[str]:
    """Paths below which at least one parameter requires a gradient."""
    prefixes: set[str] = set()
    for path, module in walk(root):
        if any(parameter.requires_grad for _, parameter in own_parameters(module)):
            while path not in prefixes:
                prefixes.add(path)
                path = path.rpartition(".")[0]
    return prefixes
