"""What the program calls the summands of its loss, and which of its variables hold on to the graphs of past steps.

Read off the variables in sight of the backward, in sampled steps.
"""

from __future__ import annotations

import time
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_model import History, Term, Terms
from dlmon_probes.training import callsite, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.governor import EARLY
from dlmon_probes.training.graph_layers import forward_order
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.names import variables_in_sight

NAME = "terms"
MOST_TERMS = 16
MOST_VARIABLES = 400
MOST_CHAIN = 1_000  # additions followed down from a running sum
MOST_HISTORIES = 4
MOST_NODES = 4_000


def install(agent: Agent, _loop: Loop) -> None:
    agent.guard(NAME, agent.sampled_before_backward, TermsProbe(agent).at_backward)


class TermsProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._last: dict[int, int] = {}

    def at_backward(self, loss: Any, series: int) -> None:
        agent = self._agent
        if loss.grad_fn is None or self._last.get(series) == agent.step or tensors.out_of_reach():
            return
        if agent.step not in EARLY and not agent.governor.affords(NAME):
            agent.governor.skip(NAME)
            return
        self._last[series] = agent.step
        began = perf_counter()
        frame = callsite.caller()
        with tensors.immune():
            variables = variables_in_sight(frame)[:MOST_VARIABLES]
            summands = summands_of(loss.grad_fn)
            self._tell_terms(variables, summands, series)
            self._tell_histories(variables, loss, callsite.where(frame))
        agent.governor.pay_for(NAME, perf_counter() - began)

    def _tell_terms(self, variables: list[tuple[str, Any]], summands: dict[Any, float], series: int) -> None:
        if len(summands) < 2:
            return
        named: dict[Any, tuple[str, Any]] = {}
        for name, value in variables:
            if _scalar_with_history(value) and value.grad_fn in summands:
                named.setdefault(value.grad_fn, (name, value))
        terms = [(name, value, summands[node]) for node, (name, value) in named.items()][:MOST_TERMS]
        if len(terms) < 2:
            return
        agent, step = self._agent, self._agent.step

        def done(values: list[list[float]]) -> None:
            rows = [Term(name, number[0] if number else None, factor) for (name, factor), number in zip(told, values)]
            agent.emit(Terms(time.time(), step, series, rows))

        told = [(name, factor) for name, _, factor in terms]
        agent.later([_number_vector(value) for _, value, _ in terms], done)

    def _tell_histories(self, variables: list[tuple[str, Any]], loss: Any, where: Any) -> None:
        nodes = forward_order(loss.grad_fn, MOST_NODES)
        if len(nodes) >= MOST_NODES:
            return  # too large to tell what is a part of this loss
        own, told = set(nodes), 0  # what goes backward now is no past step
        for name, value in variables:
            graphs = 0
            if _scalar_with_history(value) and value is not loss and value.grad_fn not in own:
                graphs = sum_length(value.grad_fn)
            elif type(value) is list and len(value) > 2:
                recent = [item for item in value[-MOST_CHAIN:] if _scalar_with_history(item)]
                graphs = sum(item.grad_fn not in own for item in recent)
            if graphs > 2 and told < MOST_HISTORIES:
                told += 1
                self._agent.emit(History(time.time(), self._agent.step, name, graphs, where))


def _number_vector(value: Any) -> Optional[Any]:
    readable = tensors.local(value)
    return readable.reshape(1).float() if readable is not None else None


def _scalar_with_history(value: Any) -> bool:
    torch = tensors.torch_module()
    return type(value) is torch.Tensor and value.numel() == 1 and value.grad_fn is not None


def summands_of(root: Any) -> dict[Any, float]:
    """Node → factor of everything that the root adds up, each sum taken apart; the root itself is left out."""
    found: dict[Any, float] = {}
    stack: list[tuple[Any, float]] = [(root, 1.0)]
    while stack and len(found) < 64:
        node, factor = stack.pop()
        if node is not root:
            found[node] = factor
        op = type(node).__name__
        below = [n for n, _ in node.next_functions]
        if op == "AddBackward0" and len(below) == 2:
            second = factor * _number(node, "alpha", 1.0)
            stack += [(n, f) for n, f in zip(below, (factor, second)) if n is not None]
        elif op == "SubBackward0" and len(below) == 2:
            second = -factor * _number(node, "alpha", 1.0)
            stack += [(n, f) for n, f in zip(below, (factor, second)) if n is not None]
        elif op in ("MulBackward0", "DivBackward0") and sum(n is not None for n in below) == 1:
            scale = _constant(node)
            if scale is not None:
                following = next(n for n in below if n is not None)
                stack.append((following, factor * scale if op == "MulBackward0" else factor / (scale or 1.0)))
        elif op == "NegBackward0" and below[0] is not None:
            stack.append((below[0], -factor))
    return found


def _number(node: Any, name: str, default: float) -> float:
    value = getattr(node, f"_saved_{name}", default)
    return float(value) if isinstance(value, (int, float)) else default


def _constant(node: Any) -> Optional[float]:
    """The number that a node multiplies or divides by, where it lies on the host."""
    for name in ("_saved_other", "_saved_self"):
        try:
            value = getattr(node, name, None)
        except Exception:
            return None
        if value is not None and hasattr(value, "dtype") and value.numel() == 1 and value.device.type == "cpu":
            return float(value)
    return None


def sum_length(node: Any) -> int:
    """How many additions a running sum (`total = total + loss`) consists of."""
    length = 0
    while node is not None and length < MOST_CHAIN:
        if type(node).__name__ != "AddBackward0":
            break
        length += 1
        below = [n for n, _ in node.next_functions if n is not None]
        node = next((n for n in below if type(n).__name__ == "AddBackward0"), None)
    return length
