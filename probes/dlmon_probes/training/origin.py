"""Where a loss that is not finite comes from: the first operation of its forward that made such values.

Nothing is computed again. The graph of the very forward is still there when its backward begins, with the inputs and
results that each operation kept for its derivative: read in the order of the forward, the first value that is not
finite tells. So weights, running statistics, random states and modes need no restoring, and a module's forward with
side effects runs as often as without us. Read once or twice in a run.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.events_model import Origin
from dlmon_probes.training import data, indices, structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.graph_layers import (
    forward_order,
    layer_of,
    layers_below,
    maker,
    own_parameters,
    saved_tensors,
)
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.rows import number_of

NAME = "origin"
MOST_NODES = 4_000
MOST_READ = 2  # times in a run
MOST_BAD = 8  # parameters described
MOST_INDICES = 64
RISKY = frozenset(
    {
        "SqrtBackward0", "PowBackward0", "DivBackward0", "LogBackward0", "Log2Backward0", "Log10Backward0",
        "AcosBackward0", "AsinBackward0", "RsqrtBackward0", "ReciprocalBackward0", "StdBackward0", "Atan2Backward0",
        "LinalgVectorNormBackward0", "NormBackward1", "ExpBackward0", "XlogyBackward0",
    }
)  # fmt: skip
# Which input an operation keeps under which name, where it is not the first.
_SECOND = frozenset({"other", "mat2", "batch2", "weight", "exponent", "key", "end"})
_OVERFLOWS = frozenset({"MseLossBackward0", "MulBackward0", "PowBackward0"})
_ADDING = ("AddmmBackward0", "AddmvBackward0", "BaddbmmBackward0", "AddbmmBackward0")


@dataclass
class Trace:
    """What was found: see events_model.Origin."""

    how: str = "unknown"
    node: Optional[Any] = None
    brought: dict[str, Any] = field(default_factory=dict)
    bad: list[Any] = field(default_factory=list)


class OriginProbe:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._read = 0
        self._warned = False
        self._before: Any = None  # the loss of the last look, which a device may tell later
        self._batch = (-1, 0)  # loader and samples of the last pull
        self._held: Any = None  # the batch itself, in sampled steps until the backward
        self._rows: list[int] = []  # of the batch, which hold values that are not finite

    def pulled(self, loader: int, _iterator: int, rows: int, batch: Any, grad: bool) -> None:
        if grad:
            self._batch = (loader, rows)
            self._held = batch if self._agent.sampling and self._read < MOST_READ else None

    def look_at_batch(self, _loss: Any, series: int) -> None:
        """Before anybody lets go of the batch: which of its samples are bad, where the loss is."""
        value, probe = number_of(self._loop.row.losses[series][-1]), data.probe_of(self._agent)
        self._rows, batch, self._held = [], self._held, None
        if value is None or math.isfinite(value) or self._read >= MOST_READ:
            return
        if batch is None and probe is not None:
            batch = (probe.last_batch() or (-1, None))[1]
        with tensors.immune():
            self._rows = broken_rows(batch, self._batch[1])

    def _samples(self) -> tuple[Optional[int], Optional[list[int]], bool]:
        """(loader, indices in its data set, whether these samples are bad) of the batch."""
        loader, rows = self._batch
        drawn = indices.indices_of_rows(self._agent, loader, rows) if loader >= 0 else None
        if drawn is None:
            whole = indices.indices_of_batch(self._agent, loader) if loader >= 0 else None
            return (loader if loader >= 0 else None), (whole[:MOST_INDICES] if whole else None), False
        return loader, [drawn[row] for row in self._rows or range(rows)][:MOST_INDICES], bool(self._rows)

    def at_backward(self, loss: Any, series: int) -> None:
        if self._read >= MOST_READ or loss.grad_fn is None or tensors.out_of_reach():
            return
        entry = self._loop.row.losses[series][-1]
        value, before, self._before = number_of(entry), self._before, entry
        broken = any(v is not None and not math.isfinite(v) for v in (value, number_of(before) if before else None))
        ahead = isinstance(entry, float) and not self._warned and self._agent.governor.affords(NAME)
        if not broken and not ahead:
            return
        began = perf_counter()
        with tensors.immune():
            if broken:
                self._read += 1
                self._tell(loss, series, value)
            else:
                self._look_ahead(loss, series, value)
        self._agent.governor.pay_for(NAME, perf_counter() - began)

    def _tell(self, loss: Any, series: int, value: Optional[float]) -> None:
        nodes = forward_order(loss.grad_fn, MOST_NODES)
        trace = trace_of(nodes)
        if trace.how == "unknown" and value is not None and math.isfinite(value):
            return  # told late by a device, and over already
        risky = Counter(type(node).__name__ for node in nodes if type(node).__name__ in RISKY)
        self._emit(trace, series, value, dict(risky))

    def _look_ahead(self, loss: Any, series: int, value: Optional[float]) -> None:
        """A finite loss whose derivative is not: sqrt at 0, a power below 1 at 0."""
        for node in forward_order(loss.grad_fn, MOST_NODES):
            if type(node).__name__ in ("SqrtBackward0", "PowBackward0") and _steep(node):
                self._warned = True
                self._emit(Trace("gradient", node), series, value, {})
                return

    def _emit(self, trace: Trace, series: int, value: Optional[float], risky: dict[str, int]) -> None:
        names, node = self._agent.names, trace.node
        layer = layer_of(node, names) if node is not None else ""
        weights = trace.bad[:MOST_BAD] or (own_parameters(node) if node is not None else [])
        loader, samples, broken = self._samples()
        kept = {**(saved_tensors(node) if node is not None else {}), **trace.brought}
        self._agent.emit(
            Origin(
                t=time.time(), step=self._agent.step, series=series, value=value, how=trace.how,
                op=type(node).__name__ if node is not None else "", layer=layer,
                after=layers_below(node, names) if node is not None else [],
                tensors=[described(name, tensor) for name, tensor in kept.items()],
                weights=[described(_name(names, weight), weight) for weight in weights], bad=len(trace.bad),
                risky=risky, loader=loader, indices=samples, broken=broken,
            )
        )  # fmt: skip


def broken_rows(batch: Any, rows: int) -> list[int]:
    """The samples of a batch on the host in which some tensor with a row for each holds NaN or infinities."""
    torch = tensors.torch_module()
    bad: set[int] = set()
    for leaf in structures.leaves(batch):
        tensor = tensors.local(leaf.tensor)
        if tensor is None or tensor.device.type != "cpu" or not tensor.dtype.is_floating_point or not tensor.numel():
            continue
        if tensor.dim() and tensor.shape[0] == rows:
            flags = ~torch.isfinite(tensor.reshape(rows, -1)).all(1)
            bad.update(torch.nonzero(flags).reshape(-1).tolist())
    return sorted(bad)


def _name(names: Any, weight: Any) -> str:
    return (names.parameter_name(weight) if names is not None else None) or "a parameter"


def described(name: str, tensor: Any) -> events.NamedTensor:
    """With the exact share of values that are not finite: the subsample may miss a single one."""
    measured = tensors.Measured(tensor)
    facts = measured.facts(measured.vector.tolist() if measured.vector is not None else None)
    return events.NamedTensor(name, facts)


def trace_of(nodes: list[Any]) -> Trace:
    """nodes: in the order of the forward."""
    bad = [node.variable for node in nodes if type(node).__name__ == "AccumulateGrad" and _broken(node.variable)]
    if bad:
        return Trace("weights", bad=bad)
    for node in nodes:
        kept = saved_tensors(node)
        broken = {name: tensor for name, tensor in kept.items() if _broken(tensor)}
        if broken and all(name.startswith(("result", "output", "logsumexp")) for name in broken):
            return Trace("op", node)
        if broken:
            return _brought(node, broken)
        if _makes(node, kept):
            return Trace("op", node)
    return Trace()


def _brought(node: Any, broken: dict[str, Any]) -> Trace:
    """An input was broken already: by an operation that kept nothing that shows it, or by a tensor without history."""
    name = next(name for name in broken if not name.startswith(("result", "output", "logsumexp")))
    below = maker(node, _argument(type(node).__name__, name))
    if below is None or type(below).__name__ == "AccumulateGrad":
        return Trace("input", node)
    return Trace("op", below, {"output": broken[name]})


def _argument(op: str, name: str) -> int:
    if op in _ADDING:
        return 2 if name in ("mat2", "batch2") else 1
    return 1 if name in _SECOND else 0


def _broken(tensor: Any) -> bool:
    readable = tensors.local(tensor)
    if readable is None or not readable.numel() or not readable.dtype.is_floating_point:
        return False
    return not bool(tensors.torch_module().isfinite(readable).all())


def _makes(node: Any, kept: dict[str, Any]) -> bool:
    """True where the inputs that were kept tell that the result is not finite."""
    op, x = type(node).__name__, kept.get("self")
    if op in ("LogBackward0", "Log2Backward0", "Log10Backward0"):
        return x is not None and bool((x <= 0).any())
    if op == "Log1PBackward0":
        return x is not None and bool((x <= -1).any())
    if op == "DivBackward0":
        under = kept.get("other")
        return under is not None and bool((under == 0).any())
    if op in ("AcosBackward0", "AsinBackward0"):
        return x is not None and bool((x.abs() > 1).any())
    if op == "PowBackward0" and x is not None:
        exponent = getattr(node, "_saved_exponent", None)
        if isinstance(exponent, (int, float)) and exponent < 1:
            return bool((x == 0).any()) if exponent < 0 else exponent % 1 != 0 and bool((x < 0).any())
    return op in _OVERFLOWS and _overflows(op, node, kept)


def _overflows(op: str, node: Any, kept: dict[str, Any]) -> bool:
    """True where finite inputs that were kept give a result beyond the largest number of their type."""
    x, other = kept.get("self"), kept.get("target") if op == "MseLossBackward0" else kept.get("other")
    if op == "PowBackward0":
        exponent = getattr(node, "_saved_exponent", None)
        return x is not None and isinstance(exponent, (int, float)) and _broken(x**exponent)
    if x is None or other is None:
        return False
    return _broken((x - other) ** 2 if op == "MseLossBackward0" else x * other)


def _steep(node: Any) -> bool:
    kept = saved_tensors(node)
    if type(node).__name__ == "SqrtBackward0":
        return "result" in kept and bool((kept["result"] == 0).any())
    exponent, x = getattr(node, "_saved_exponent", None), kept.get("self")
    return isinstance(exponent, float) and 0 < exponent < 1 and x is not None and bool((x == 0).any())


def install(agent: Agent, loop: Loop) -> None:
    probe = OriginProbe(agent, loop)
    agent.guard(NAME, agent.sampled_before_backward, probe.at_backward)
    batches = data.probe_of(agent)
    if batches is not None:
        agent.guard(NAME, batches.on_pull, probe.pulled)
        agent.guard(NAME, agent.sampled_before_backward, probe.look_at_batch)
        listeners = agent.sampled_before_backward
        listeners.insert(0, listeners.pop())  # before the data probe, which lets go of the batch
