"""Which formula makes the training loss out of the model's output and the targets: found by trying, not by guessing.

At a backward, usual losses are computed from what the model returned and from the tensors in its arguments and in the
batch. The one that gives the loss that went backward is the formula; evaluation passes that never compute a loss by a
module are then measured by it. Gradient accumulation divides the loss by a small whole number: that is allowed for.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Callable, Optional

from dlmon_probes.training import structures, tensors
from dlmon_probes.training.structures import Leaf

TOLERANCE = 2e-3  # of the loss; mixed precision rounds the program's own value
# Where the output is float32: the right formula gives the loss to some 1e-7. Targets shifted by one meet it within
# 1e-4 by chance, as long as the model knows nothing and all classes cost the same (seen at the first steps of a GRU).
EXACT = 1e-5
DIVISORS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64)
MOST_ELEMENTS = 4_000_000  # of an output for which losses are tried or computed
MOST_CANDIDATES = 16


@dataclass(frozen=True)
class Formula:
    """kind: see `value_of`. output: which tensor of the model's output. source: where the target is ("arguments",
    "batch" or "earlier"), and target its path there. module: weakly, the module whose output it was."""

    kind: str
    output: str
    source: str
    target: str
    module: Callable[[], Any]
    tolerance: float = TOLERANCE

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same for the same formula in another step."""
        return self.kind, self.output, self.source, self.target

    @property
    def doubtful(self) -> bool:
        """Whether one loss that it gives can be chance: it was compared coarsely, or makes targets out of the input."""
        return self.tolerance > EXACT or self.kind == "ce_shifted"


@dataclass(frozen=True)
class Forward:
    """Tensors of one model call: what it returned, what it was called with, and the batches that were pulled last
    (`earlier` is the one for programs that fetch one batch ahead)."""

    module: Callable[[], Any]  # a weak reference
    outputs: list[Leaf]
    arguments: list[Leaf]
    batch: list[Leaf]
    earlier: list[Leaf]

    def tensor(self, source: str, path: str) -> Optional[Any]:
        among: list[Leaf] = getattr(self, source)
        return next((leaf.tensor for leaf in among if leaf.path == path), None)


def forward_of(module: Any, args: Any, kwargs: Any, output: Any, batch: list[Leaf], earlier: list[Leaf]) -> Forward:
    """Outputs are detached, so that keeping one for a moment keeps no graph. Call within `immune`."""
    arguments = structures.leaves(tuple(args), 8) + structures.leaves(dict(kwargs), 8)
    outputs = [Leaf(leaf.path, tensors.local(leaf.tensor)) for leaf in structures.leaves(output, 6)]
    return Forward(
        weakref.ref(module), [leaf for leaf in outputs if leaf.tensor is not None], arguments, batch, earlier
    )


def conventional(forward: Forward) -> Optional[Formula]:
    """What Hugging Face's models are known to do with an argument `labels`, when no formula was found: its loss is
    not always the mean over the positions that count."""
    module = forward.module()
    if forward.tensor("outputs", "['logits']") is None or forward.tensor("arguments", "['labels']") is None:
        return None
    name = type(module).__name__
    for kind in ["ce_shifted"] if "CausalLM" in name or "LMHead" in name else ["ce", "ce_last"]:
        pair = rows_of(kind, forward.tensor("outputs", "['logits']"), forward.tensor("arguments", "['labels']"))
        if pair is not None:
            return Formula(kind, "['logits']", "arguments", "['labels']", forward.module)
    return None


def candidates(forward: Forward) -> list[tuple[Formula, Any]]:
    """Formulas that fit the shapes, with the loss each gives (a tensor of one element). Call within `immune`."""
    found: list[tuple[Formula, Any]] = []
    for output in forward.outputs:
        for source in ("arguments", "batch", "earlier"):
            for target in getattr(forward, source):
                for kind in _kinds(output.tensor, target.tensor):
                    if len(found) < MOST_CANDIDATES:
                        halved = output.tensor.element_size() < 4
                        near = TOLERANCE if halved else EXACT
                        formula = Formula(kind, output.path, source, target.path, forward.module, near)
                        found.append((formula, value_of(kind, output.tensor, beside(output.tensor, target.tensor))))
    return found


def beside(output: Any, target: Any) -> Any:
    """The target on the output's device: the batch was pulled before the program moved it there. Does not wait."""
    return target if target.device == output.device else target.to(output.device, non_blocking=True)


def confirmed(tried: list[tuple[Formula, Optional[float]]], loss: float) -> list[Formula]:
    """The formulas that give the loss, or the loss times a usual number of micro-batches; the likeliest first.

    Of those compared coarsely only the nearest: a shifted target differs from the right one in one position of many.
    """
    near: list[tuple[float, Formula]] = []
    for formula, value in tried:
        if value is not None:
            error = min(abs(value / divisor - loss) for divisor in DIVISORS) / (abs(loss) or 1.0)
            if error < formula.tolerance:
                near.append((error, formula))
    exact = [formula for _, formula in near if formula.tolerance <= EXACT]
    if exact:
        return sorted(exact, key=lambda formula: formula.doubtful)
    return [min(near, key=lambda one: one[0])[1]] if near else []


def _kinds(output: Any, target: Any) -> list[str]:
    """Losses that could be between two tensors, by shape and type."""
    readable = tensors.local(output), tensors.local(target)
    if output is target or any(tensor is None for tensor in readable) or target.numel() > MOST_ELEMENTS:
        return []
    if not output.dtype.is_floating_point or not 0 < output.numel() <= MOST_ELEMENTS:
        return []
    if not target.dtype.is_floating_point:
        return [kind for kind in ("ce", "ce_last", "ce_shifted") if rows_of(kind, output, target) is not None]
    if _matching(output, target) is None:
        return []
    return ["mse", "bce_logits", "bce", "l1", "smooth_l1"]


def _matching(output: Any, target: Any) -> Optional[Any]:
    """The output in the target's shape, where they differ by dimensions of size 1 only."""
    if output.shape == target.shape:
        return output
    if output.numel() == target.numel() and [s for s in output.shape if s != 1] == [s for s in target.shape if s != 1]:
        return output.reshape(target.shape)
    return None


def fits(kind: str, output: Any, target: Any) -> bool:
    """Whether `value_of` can be asked: a model may be evaluated on targets of another shape than it is trained on."""
    return (rows_of(kind, output, target) if kind.startswith("ce") else _matching(output, target)) is not None


def rows_of(kind: str, output: Any, target: Any) -> Optional[tuple[Any, Any]]:
    """(logits N×C, targets N) for class losses: classes in dimension 1 ("ce"), in the last one ("ce_last"), or in the
    last one with each position telling the next ("ce_shifted"). None where the shapes do not fit."""
    if target.dtype.is_floating_point or target.dtype.is_complex or output.dim() < 2:
        return None
    if kind == "ce":
        if target.dim() != output.dim() - 1 or target.shape != (output.shape[0], *output.shape[2:]):
            return None
        classes = output.shape[1]
        logits = output if output.dim() == 2 else output.movedim(1, -1)
        return (logits.reshape(-1, classes), target.reshape(-1)) if classes > 1 else None
    if kind == "ce_last" and target.dim() == 1 and output.dim() == 2:
        return None  # that is "ce"
    classes = output.shape[-1]
    if classes < 2:
        return None
    if target.shape != output.shape[:-1]:
        return (output, target.reshape(-1)) if _flattened(kind, output, target) else None
    if kind == "ce_shifted":
        if output.dim() != 3 or output.shape[1] < 2:
            return None
        output, target = output[:, :-1], target[:, 1:]
    return output.reshape(-1, classes), target.reshape(-1)


def _flattened(kind: str, output: Any, target: Any) -> bool:
    """Logits that the model returned as (B·T, C) against targets (B, T)."""
    return kind == "ce_last" and output.dim() == 2 and target.numel() == output.shape[0]


def value_of(kind: str, output: Any, target: Any) -> Any:
    """The mean loss of a kind, a tensor of one element on the output's device."""
    functional = tensors.torch_module().nn.functional
    output = output.detach().float()
    if kind.startswith("ce"):
        logits, labels = rows_of(kind, output, target.detach())  # type: ignore[misc]
        return _cross_entropy(logits, labels.long())
    target = target.detach().float()
    output = _matching(output, target)
    loss = {
        "mse": functional.mse_loss,
        "bce_logits": functional.binary_cross_entropy_with_logits,
        "bce": _binary_cross_entropy,
        "l1": functional.l1_loss,
        "smooth_l1": functional.smooth_l1_loss,
    }[kind]
    return loss(output, target).reshape(1)


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Over the labels that are classes: torch's own would stop the device at a label out of range."""
    torch = tensors.torch_module()
    valid = (labels >= 0) & (labels < logits.shape[1])
    picked = torch.log_softmax(logits, dim=1).gather(1, torch.where(valid, labels, 0).unsqueeze(1)).squeeze(1)
    return (-torch.where(valid, picked, 0.0).sum() / valid.sum().clamp(min=1)).reshape(1)


def _binary_cross_entropy(output: Any, target: Any) -> Any:
    """Without the range check of torch's own, which would raise on logits."""
    p = output.clamp(1e-12, 1 - 1e-7)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()
