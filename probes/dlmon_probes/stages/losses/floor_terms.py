"""The terms that losses are made of, and how small each can get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from dlmon_probes.stages.losses import floor_conflicts, floor_graph
from dlmon_probes.stages.losses.floor_graph import NotKnown, Term
from dlmon_probes.training import tensors

# What has a target to reach, and then is 0; the words say so in the evidence.
_TO_ZERO = {
    "MseLossBackward0": "squared errors", "SmoothL1LossBackward0": "smooth absolute errors",
    "HuberLossBackward0": "Huber errors", "SoftMarginLossBackward0": "soft margins",
    "MultiMarginLossBackward0": "margins", "MultilabelMarginLossBackward0": "margins", "CtcLossBackward0": "CTC",
}  # fmt: skip
TOWARDS_ZERO = {
    "PowBackward0": "squared errors", "MulBackward0": "squared errors", "AbsBackward0": "absolute errors",
    "LinalgVectorNormBackward0": "a norm", "NormBackward0": "a norm", "NormBackward1": "a norm",
    "ReluBackward0": "hinges", "ClampMinBackward0": "hinges", "ClampBackward1": "hinges",
}  # fmt: skip
_REDUCTIONS = ("none", "mean", "sum")
EXACT = 1 << 20  # log-probabilities up to here are summed in 64 bits
_BINARY = ("BinaryCrossEntropyBackward0", "BinaryCrossEntropyWithLogitsBackward0")


@dataclass
class Group:
    """Terms whose floor is found together: one, or several log-softmaxes of the same logits."""

    op: str
    terms: list[Term]


def groups_of(terms: list[Term]) -> list[Group]:
    """Log-softmaxes of the same logits are one group: mixup calls the loss twice. Raises NotKnown where two terms pull
    at one output, or one has no target but something else to hold against."""
    groups: dict[Any, Group] = {}
    for term in terms:
        probabilities = _log_probabilities(term.node)
        if probabilities is not None:
            key: Any = ("LogSoftmaxBackward0", probabilities[1:])
            groups.setdefault(key, Group("LogSoftmaxBackward0", [])).terms.append(term)
        else:
            groups[term.node] = Group(term.op, [term])
    found = list(groups.values())
    if len(found) > 1:
        floor_conflicts.refuse(found)
    return found


def _wide(tensor: Any) -> Any:
    """In 64 bits, where the device has them."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()


def floor_of_group(group: Group) -> tuple[float, float, str]:
    """(smallest value, value now, in words), weights included. Raises NotKnown."""
    if group.op == "LogSoftmaxBackward0":
        return _cross_entropy(group.terms)
    term = group.terms[0]
    if term.op.startswith("NllLoss"):
        return _large_cross_entropy(term)
    return _binary(term) if term.op in _BINARY else _to_zero(term)


# ---------------------------------------------------------------- log-probabilities


def _log_probabilities(node: Any) -> Optional[tuple[Any, int, Any]]:
    """(log-probabilities, class dimension, edge to the logits) of log_softmax, or of log after softmax."""
    torch = tensors.torch_module()
    op = type(node).__name__
    if op == "LogSoftmaxBackward0":
        return node._saved_result, _signed(node._saved_dim), node.next_functions[0]
    if op == "LogBackward0":
        below = node.next_functions[0][0]
        if type(below).__name__ == "SoftmaxBackward0":
            return torch.log(below._saved_result), _signed(below._saved_dim), below.next_functions[0]
    return None


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _cross_entropy(terms: list[Term]) -> tuple[float, float, str]:
    torch = tensors.torch_module()
    total: Any = None
    for term in terms:
        total = term.weight if total is None else total + term.weight
    known = _log_probabilities(terms[0].node)
    assert known is not None
    log_p, dim = known[0], known[1]
    if log_p.numel() > floor_graph.LARGEST:
        raise NotKnown(f"a loss over {log_p.numel():,} log-probabilities, too many to look at")
    if log_p.numel() <= EXACT:
        log_p, total = _wide(log_p), _wide(total)
    log_p = log_p.float() if log_p.dtype.itemsize < 4 else log_p
    wanted = -total.to(log_p.dtype).sum_to_size(log_p.shape)
    largest = wanted.abs().amax()
    if bool((wanted < -1e-6 * largest).any()):
        raise NotKnown("a loss that falls without limit as some probabilities go to 0 (negative weights)")
    wanted = wanted.clamp(min=0)
    row = wanted.sum(dim, keepdim=True)
    share = wanted / torch.where(row > 0, row, 1.0)
    left = torch.where(share > 0, -wanted * share.clamp(min=1e-37).log(), 0.0)
    now = torch.where(wanted > 0, -wanted * log_p, 0.0)
    return float(left.sum().item()), float(now.sum().item()), _labels_in_words(share, row, dim)


def _labels_in_words(share: Any, row: Any, dim: int) -> str:
    """What the wanted probabilities are: hard labels, smoothed labels, soft ones."""
    torch = tensors.torch_module()
    counts = row.squeeze(dim) > 0
    top, low = share.amax(dim)[counts], share.amin(dim)[counts]
    classes = int(share.shape[dim])
    if not top.numel() or bool((top > 1 - 1e-6).all()):
        weights = row.squeeze(dim)[counts]
        even = not weights.numel() or bool(torch.isclose(weights, weights[0], rtol=1e-3).all())
        return "hard labels" if even else "hard labels with weights"
    smoothing = float((low.mean() * classes).item())
    expected = 1 - smoothing + smoothing / classes
    if bool(torch.isclose(top, torch.full_like(top, expected), rtol=1e-3).all()) and smoothing > 0:
        return f"label smoothing {smoothing:.3g} over {classes} classes"
    return f"soft labels over {classes} classes"


def _large_cross_entropy(term: Term) -> tuple[float, float, str]:
    """Hard labels over very many classes: only the labels' own log-probabilities are read."""
    torch = tensors.torch_module()
    node = term.node
    if bool((term.weight < 0).any()):
        raise NotKnown("a loss that is smaller the larger one of its terms is")
    value = torch.nn.functional.nll_loss(
        node._saved_self, node._saved_target, node._saved_weight, ignore_index=_signed(node._saved_ignore_index),
        reduction=_REDUCTIONS[node._saved_reduction],
    )  # fmt: skip
    weighted = (_wide(term.weight) * _wide(value)).sum()
    return 0.0, float(weighted.item()), "hard labels" if node._saved_weight is None else "hard labels with weights"


# ---------------------------------------------------------------- two outcomes


def _binary(term: Term) -> tuple[float, float, str]:
    torch = tensors.torch_module()
    node = term.node
    prediction, target = _wide(node._saved_self), _wide(node._saved_target)
    logits = term.op == "BinaryCrossEntropyWithLogitsBackward0"
    pos_weight = node._saved_pos_weight if logits else None
    weight = node._saved_weight
    yes, no = target * (1.0 if pos_weight is None else _wide(pos_weight)), 1 - target
    scale = torch.ones_like(target) if weight is None else _wide(weight).expand_as(target)
    if bool(((yes < 0) | (no < 0) | (scale < 0)).any()):
        raise NotKnown("a binary cross-entropy with targets outside 0 to 1, which falls without limit")
    if logits:
        log_yes, log_no = torch.nn.functional.logsigmoid(prediction), torch.nn.functional.logsigmoid(-prediction)
    else:
        log_yes, log_no = prediction.log().clamp(min=-100), torch.log1p(-prediction).clamp(min=-100)
    share = yes / (yes + no).clamp(min=1e-37)
    left = scale * (_self_information(yes, share) + _self_information(no, 1 - share))
    now = -scale * (yes * log_yes + no * log_no)
    weights = _per_element(term, target)
    if bool((weights < 0).any()):
        raise NotKnown("a loss that is smaller the larger one of its terms is")
    hard = bool(((target == 0) | (target == 1)).all())
    how = "hard yes-or-no targets" if hard else "soft yes-or-no targets"
    return float((weights * left).sum().item()), float((weights * now).sum().item()), how


def _self_information(amount: Any, share: Any) -> Any:
    torch = tensors.torch_module()
    return torch.where(amount > 0, -amount * share.clamp(min=1e-37).log(), 0.0)


def _per_element(term: Term, target: Any) -> Any:
    """The weights of a loss node's elements: a reduction inside the node is written out."""
    weight = _wide(term.weight)
    if term.node._saved_reduction == 1:
        weight = weight / max(target.numel(), 1)
    return weight.expand_as(target)


# ---------------------------------------------------------------- what can reach zero


def _to_zero(term: Term) -> tuple[float, float, str]:
    torch = tensors.torch_module()
    op, node = term.op, term.node
    least = 0.0
    value = _value(term)
    if value is None or (op == "MulBackward0" and not floor_graph.is_square(node)):
        raise NotKnown(f"a loss with a term that is not known ({op.replace('Backward0', '').replace('Backward1', '')})")
    if op in ("ClampMinBackward0", "ClampBackward1"):
        least = float(node._saved_min) if isinstance(node._saved_min, (int, float)) else 0.0
    weight = _wide(term.weight)
    if bool((weight < 0).any()):
        raise NotKnown("a loss that is smaller the larger one of its terms is")
    weighted = torch.where(weight != 0, weight * _wide(value), 0.0)
    floor = least * float(weight.sum().item()) if least else 0.0
    return floor, float(weighted.sum().item()), (_TO_ZERO.get(op) or TOWARDS_ZERO[op]) + " that can reach 0"


def _value(term: Term) -> Optional[Any]:
    """What the term's node gave, computed anew from what it saved; None for an unknown kind."""
    torch = tensors.torch_module()
    functional = torch.nn.functional
    op, node = term.op, term.node
    if op in _TO_ZERO and op != "CtcLossBackward0":
        prediction, target = node._saved_self, node._saved_target
        options: dict[str, Any] = {"reduction": _REDUCTIONS[node._saved_reduction]}
        if op == "SmoothL1LossBackward0":
            options["beta"] = node._saved_beta
        elif op == "HuberLossBackward0":
            options["delta"] = node._saved_delta
        elif op == "MultiMarginLossBackward0":
            options.update(p=int(node._saved_p), margin=float(node._saved_margin), weight=node._saved_weight)
        return _FUNCTIONS(functional)[op](prediction, target, **options)
    if op == "CtcLossBackward0":
        return node._saved_result0
    if op == "PowBackward0":
        even = isinstance(node._saved_exponent, (int, float)) and node._saved_exponent % 2 == 0
        return node._saved_self**node._saved_exponent if even else None
    if op == "MulBackward0":
        return node._saved_self * node._saved_other if floor_graph.is_square(node) else None
    if op == "AbsBackward0":
        return node._saved_self.abs()
    if op in ("ReluBackward0", "LinalgVectorNormBackward0", "NormBackward0", "NormBackward1"):
        return node._saved_result
    if op == "ClampMinBackward0":
        return node._saved_self.clamp(min=node._saved_min)
    if op == "ClampBackward1" and node._saved_max is None:
        return node._saved_self.clamp(min=node._saved_min)
    return None


def _FUNCTIONS(functional: Any) -> dict[str, Any]:
    return {
        "MseLossBackward0": functional.mse_loss, "SmoothL1LossBackward0": functional.smooth_l1_loss,
        "HuberLossBackward0": functional.huber_loss, "SoftMarginLossBackward0": functional.soft_margin_loss,
        "MultiMarginLossBackward0": functional.multi_margin_loss,
        "MultilabelMarginLossBackward0": functional.multilabel_margin_loss,
    }  # fmt: skip
