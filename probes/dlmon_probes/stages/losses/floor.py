"""The smallest value that a loss can take for the targets it had, read off its graph before the backward.

The loss is taken apart into terms with weights (see floor_graph). Log-probabilities have a floor that their weights
give: minus the weights, per row, are what a perfect model would predict, and their entropy remains. This one rule is
hard labels, label smoothing, class weights, ignored rows, mixup, soft targets and distillation. Squared, absolute and
hinge-like terms can reach 0.
"""

from __future__ import annotations

import math
from typing import Any, Optional

from dlmon_probes.stages.losses import floor_graph, floor_terms
from dlmon_probes.stages.losses.floor_graph import NotKnown
from dlmon_probes.training import tensors

_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # relative to the loss; other types are halves: 1e-2
DEEPEST = 3  # roots within roots: sqrt(mse + eps)


def floor_of(loss: Any) -> tuple[Optional[float], str]:
    """(floor, what it is made of), or (None, why it cannot be known), for a loss about to go backward.

    For the tensor given: where AMP's scale is in it, it is in the floor, too. Reads the loss, so waits for a device.
    """
    if loss.grad_fn is None:
        return None, "a loss that was computed without a graph"
    if loss.numel() != 1:
        return None, "a loss of more than one number"
    if tensors.out_of_reach():
        return None, "a loss inside a transform of torch.func or a compiled region"
    with tensors.immune():
        try:
            return _floor(loss.grad_fn, loss.detach(), 0)
        except NotKnown as reason:
            return None, str(reason)
        except Exception as error:  # a node of a kind that was not met in the tests
            return None, f"a loss whose graph could not be read ({type(error).__name__}: {error})"[:200]


def _floor(root: Any, value: Any, depth: int) -> tuple[float, str]:
    """Raises NotKnown."""
    number = float(value.item())
    if not math.isfinite(number):
        raise NotKnown(f"a loss that is {number}")
    parts = floor_graph.take_apart(root, value)
    groups = floor_terms.groups_of(parts.terms)
    if not groups:
        raise NotKnown("a loss that depends on no known term")
    floor = known = 0.0
    words: list[str] = []
    for group in groups:
        if group.op == "SqrtBackward0" and depth < DEEPEST:
            least, now, how = _root(group, depth)
        else:
            least, now, how = floor_terms.floor_of_group(group)
        floor, known = floor + least, known + now
        if how not in words:
            words.append(how)
    rest = number - known
    tolerance = _TOLERANCE.get(tensors.name_of(value.dtype), 1e-2) * max(abs(number), abs(known), 1e-3)
    if abs(rest) > tolerance:
        if not parts.constant:
            raise NotKnown(f"a loss of {number:.4g} whose known terms add up to {known:.4g}")
        floor += rest
    return (floor if abs(floor) > tolerance else 0.0), " and ".join(words)


def _root(group: floor_terms.Group, depth: int) -> tuple[float, float, str]:
    """A root over a single number, as in an RMSE: the root of what is under it."""
    term = group.terms[0]
    result = term.node._saved_result
    if result.numel() != 1:
        raise NotKnown("a loss made of the roots of many numbers")
    weight = float(term.weight.sum().item())
    if weight < 0:
        raise NotKnown("a loss that is smaller the larger one of its terms is")
    least, how = _floor(
        term.node.next_functions[0][0],
        result.float() ** 2 if result.device.type == "mps" else result.double() ** 2,
        depth + 1,
    )
    return weight * math.sqrt(max(least, 0.0)), weight * float(result.item()), f"the root of {how}"
