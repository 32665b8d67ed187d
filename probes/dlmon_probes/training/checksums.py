"""Do the processes of one training hold the same weights, and does one of them keep the others waiting?

In sampled steps, and only where a process group of two or more is there: no communication, each process writes its own
sums and whoever reads the log compares. 4,096 elements per parameter, five kernels for all parameters of a kind.
"""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_machine import Checksum, Pace
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.governor import EARLY
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.process_group import rank_and_world

ELEMENTS = 4_096  # of each parameter
MOST_PARAMETERS = 512
SHARDED = frozenset({"DTensor", "FlatParameter", "ShardedTensor"})  # every process has another part: not comparable
MOST = 400  # checksums of one run: those that are compared are the first and the last


class ChecksumProbe:
    """Writes Checksum and Pace events."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._left = MOST
        self._before: Optional[float] = None
        self._began = 0.0

    def at_backward(self, _loss: Any, _series: int) -> None:
        """The first backward of a step: up to here no process waits for another."""
        if self._before is None and rank_and_world() is not None:
            self._began = self._agent.last_step_at
            self._before = perf_counter() - self._began

    def step_closed(self, step: int) -> None:
        before, self._before = self._before, None
        group = rank_and_world() if before is not None else None
        if before is not None and group is not None and step > 0:
            self._agent.emit(Pace(time.time(), step, group[0], before, perf_counter() - self._began))

    def before_step(self, optimizer: Any, index: int) -> None:
        group = rank_and_world()
        governor = self._agent.governor
        if group is None or self._left <= 0 or tensors.out_of_reach():
            return
        if self._agent.step not in EARLY and not governor.affords("checksums"):  # the early ones all ranks have
            governor.skip("checksums")
            return
        began = perf_counter()
        self._left -= 1
        held = [p for part in optimizer.param_groups for p in part["params"]]
        self._measure(held, index, *group)
        governor.pay_for("checksums", perf_counter() - began)

    def _measure(self, held: list[Any], index: int, rank: int, world: int) -> None:
        names, agent = self._agent.names, self._agent
        kinds: dict[tuple[Any, Any], list[tuple[int, Any]]] = {}
        for parameter in held[:MOST_PARAMETERS]:
            p = names.index(parameter)
            if p is None or type(parameter).__name__ in SHARDED:
                continue
            weight = tensors.local(parameter)
            if weight is not None and weight.numel() and weight.dtype.is_floating_point:
                kinds.setdefault((weight.device, weight.dtype), []).append((p, weight))
        if not kinds:
            return
        with tensors.immune():
            vectors = [vector for part in kinds.values() for vector in _sums([weight for _, weight in part])]
        ids = [p for part in kinds.values() for p, _ in part]
        step = agent.step
        whole = any(type(root).__name__ == "DistributedDataParallel" for root in names.roots())

        def done(values: list[list[float]]) -> None:
            sums = [int(value) for column in values[0::2] for value in column]
            sizes = [float(value) for column in values[1::2] for value in column]
            agent.emit(Checksum(time.time(), step, index, rank, world, ids, sums, sizes, whole))

        agent.later(vectors, done)


def _sums(weights: list[Any]) -> tuple[Any, Any]:
    """(sums of the bits as 64-bit integers, sums of the absolute values as float64), one number per weight."""
    torch = tensors.torch_module()
    samples = [tensors.subsample(weight, ELEMENTS) for weight in weights]
    flat = torch.cat(samples)
    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.element_size()]
    last, ends = -1, []
    for sample in samples:
        last += int(sample.numel())
        ends.append(last)
    places = torch.tensor(ends, device="cpu").to(flat.device, non_blocking=True)
    bits = flat.view(whole).cumsum(0, dtype=torch.int64)[places]
    sizes = flat.double().abs().cumsum(0)[places]
    return torch.diff(bits, prepend=torch.zeros_like(bits[:1])), torch.diff(sizes, prepend=torch.zeros_like(sizes[:1]))


def install(agent: Agent, _loop: Loop) -> None:
    probe = ChecksumProbe(agent)
    agent.guard("checksums", agent.sampled_before_backward, probe.at_backward)
    agent.guard("checksums", agent.sampled_before_step, probe.before_step)
    agent.guard("checksums", agent.step_closed, probe.step_closed)
