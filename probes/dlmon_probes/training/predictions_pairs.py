"""Model outputs brought together with targets: which task it is, and both in the shape that its counts want.

The kinds of losses are those of loss_formula; a loss module's class says its kind as well. Everything here looks at
shapes and types only, so it costs nothing on a device and never waits for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Union

from dlmon_probes.events_predictions import CLASSES, LABELS, PIXELS, TOKENS, VALUES
from dlmon_probes.training import loss_formula, tensors
from dlmon_probes.training.functional_losses import Call
from dlmon_probes.training.loss_formula import Forward
from dlmon_probes.training.structures import Leaf

IGNORED = -100  # torch's default `ignore_index`
_CRITERIA = {
    "CrossEntropyLoss": "ce", "NLLLoss": "ce", "MultiMarginLoss": "ce",
    "BCEWithLogitsLoss": "bce_logits", "MultiLabelSoftMarginLoss": "bce_logits", "BCELoss": "bce",
    "MSELoss": "values", "L1Loss": "values", "SmoothL1Loss": "values", "HuberLoss": "values",
}  # fmt: skip
_TARGET_WORDS = ("label", "target", "'y'", ".y", "class", "mask", "truth")


@dataclass(frozen=True)
class Pair:
    """outputs and targets: CLASSES N×C and N, PIXELS N×C×M and N×M, TOKENS P×V and P with `width` positions for each
    sample, LABELS N×L and N×L (logits; targets 0 or 1), VALUES N×E and N×E. certain: false where shapes alone said so,
    and targets that are no classes of these outputs show that it was something else."""

    task: str
    outputs: Any
    targets: Any
    ignored: int = IGNORED
    width: int = 1
    certain: bool = True
    output_path: str = ""
    target_path: str = ""

    @property
    def samples(self) -> int:
        return int(self.targets.shape[0]) // self.width

    @property
    def binary(self) -> bool:
        """Targets are numbers that should be 0 or 1."""
        return bool(self.targets.dtype.is_floating_point) and self.task != VALUES


Found = Union[Pair, str]  # or why there is none, in words


def of_criterion(module: Any, args: Any, rows: int) -> Optional[Found]:
    """From a call of a loss module: None where its class is not known to compare outputs with targets."""
    names = [base.__name__ for base in type(module).__mro__]
    kind = next((_CRITERIA[name] for name in names if name in _CRITERIA), None)
    if kind is None or len(args) < 2:
        return None
    output, target = tensors.local(args[0]), tensors.local(args[1])
    if output is None or target is None:
        return "the loss was computed on tensors whose values cannot be read"
    ignored = module.__dict__.get("ignore_index", IGNORED)
    name = type(module).__name__
    return pair_of(
        kind, output, target, rows, ignored=ignored if isinstance(ignored, int) else IGNORED,
        output_path=f"{name} argument 1", target_path=f"{name} argument 2",
    )  # fmt: skip


def of_function(call: Call, rows: int) -> Found:
    """From a call of one of torch.nn.functional's losses."""
    output, target = tensors.local(call.outputs), tensors.local(call.targets)
    if output is None or target is None:
        return "the loss was computed on tensors whose values cannot be read"
    return pair_of(
        call.kind, output, target, rows, ignored=call.ignored,
        output_path=f"{call.name} argument 1", target_path=f"{call.name} argument 2",
    )  # fmt: skip


def of_formula(formula: loss_formula.Formula, forward: Forward, rows: int) -> Optional[Found]:
    """From the formula of the training's loss: None where this call has no such tensors."""
    output, target = forward.tensor("outputs", formula.output), forward.tensor(formula.source, formula.target)
    if output is None or target is None or tensors.local(target) is None:
        return None
    place = "" if formula.source == "arguments" else "batch"
    return pair_of(
        formula.kind, output, loss_formula.beside(output, target).detach(), rows,
        output_path=formula.output, target_path=place + formula.target,
    )  # fmt: skip


def of_shapes(forward: Forward, rows: int, ahead: bool) -> Found:
    """The only whole numbers beside the inputs that could be classes of an output. ahead: the program has pulled the
    next batch already, so the targets are in the one before."""
    outputs = [leaf for leaf in forward.outputs if leaf.tensor.dtype.is_floating_point and leaf.tensor.dim() >= 2]
    if not outputs:
        return "the model returned no tensor that could be compared with targets"
    batch = forward.earlier if ahead else forward.batch
    inputs = [leaf for leaf in forward.arguments if not _called_target(leaf)]
    found = _fitting(outputs, [leaf for leaf in forward.arguments if _called_target(leaf)])
    found = found or _fitting(outputs, [leaf for leaf in batch if not _is_input(leaf, inputs)])
    if not found:
        return (
            "no targets found: no loss module was called, the training's loss is not one whose formula is known, "
            "and no whole numbers in the batch fit the outputs as classes"
        )
    named = [one for one in found if _called_target(one[2])]
    chosen = named or found
    if len(chosen) > 1:
        return "several tensors could be the targets: " + ", ".join(sorted({leaf.path for _, _, leaf in chosen})[:4])
    kind, output, target = chosen[0]
    return pair_of(
        kind, output.tensor, loss_formula.beside(output.tensor, target.tensor).detach(), rows, certain=False,
        output_path=output.path, target_path=target.path,
    )  # fmt: skip


def _fitting(outputs: list[Leaf], among: list[Leaf]) -> list[tuple[str, Leaf, Leaf]]:
    """(kind, output, target) of all that fit, the first kind of each."""
    found = []
    for output in outputs:
        for leaf in among:
            target = tensors.local(leaf.tensor)
            if target is None or target.dtype is tensors.torch_module().bool:
                continue
            kinds = [kind for kind in ("ce", "ce_last") if loss_formula.rows_of(kind, output.tensor, target)]
            found += [(kind, output, leaf) for kind in kinds[:1]]
    return found


def _called_target(leaf: Leaf) -> bool:
    return any(word in leaf.path.lower() for word in _TARGET_WORDS)


def _is_input(leaf: Leaf, inputs: list[Leaf]) -> bool:
    """Whether the model was called with it; after a move to another device, whether with one that looks like it."""
    for other in inputs:
        one, two = leaf.tensor, other.tensor
        if one is two:
            return True
        if one.device != two.device and one.shape == two.shape and one.dtype == two.dtype:
            return True
    return False


# ---------------------------------------------------------------- shapes


def pair_of(kind: str, output: Any, target: Any, rows: int, **more: Any) -> Found:
    """kind: a loss of loss_formula, or "values". rows: samples of the model call, 0 if not known."""
    if not output.dtype.is_floating_point or not output.numel() or not target.numel():
        return "outputs and targets are not what losses compare"
    if kind.startswith("ce"):
        return _class_pair(kind, output, target, rows, more)
    if output.shape != target.shape:
        matching = loss_formula._matching(output, target)
        if matching is None:
            return "outputs and targets have different shapes"
        output = matching
    if kind.startswith("bce"):
        return _binary_pair(kind, output, target, more)
    flat = (int(output.shape[0]), -1) if output.dim() else (1, 1)
    return Pair(VALUES, output.reshape(flat), target.reshape(flat), **more)


def _class_pair(kind: str, output: Any, target: Any, rows: int, more: dict[str, Any]) -> Found:
    if target.dtype.is_floating_point:
        return "the targets are probabilities of classes, not classes"
    if kind == "ce" and output.dim() == 1 and target.dim() == 0:
        output, target = output.unsqueeze(0), target.unsqueeze(0)
    if loss_formula.rows_of(kind, output, target) is None:
        return "the targets do not fit the outputs as classes"
    if kind == "ce_shifted":
        last = target.new_full((target.shape[0], 1), IGNORED)
        target, kind = tensors.torch_module().cat([target[:, 1:], last], dim=1), "ce_last"
    count = int(output.shape[0])
    if kind == "ce" and output.dim() == 2:
        width = count // rows if rows and count > rows and count % rows == 0 else 1
        return Pair(TOKENS if width > 1 else CLASSES, output, target, width=width, **more)
    if kind == "ce":
        return Pair(PIXELS, output.flatten(2), target.flatten(1), **more)
    if output.dim() <= 3:  # (B, T, V) or (B·T, V), targets (B, T)
        return Pair(
            TOKENS, output.reshape(-1, output.shape[-1]), target.reshape(-1), width=int(target.shape[-1]), **more
        )
    return Pair(PIXELS, output.reshape(count, -1, output.shape[-1]).movedim(-1, 1), target.flatten(1), **more)


def _binary_pair(kind: str, output: Any, target: Any, more: dict[str, Any]) -> Found:
    torch = tensors.torch_module()
    output = output.detach().float()
    target = target.float() if target.dtype is torch.bool else target
    if kind == "bce":
        p = output.clamp(1e-12, 1 - 1e-7)
        output = p.log() - (-p).log1p()
    count = int(output.shape[0]) if output.dim() else 1
    if output.numel() == count:
        z = output.reshape(-1)
        return Pair(CLASSES, torch.stack([torch.zeros_like(z), z], dim=1), target.reshape(-1), **more)
    if output.dim() == 2:
        return Pair(LABELS, output, target, **more)
    if output.dim() > 3 and output.shape[1] != 1:
        return f"{output.shape[1]} yes-or-no answers for each position are not counted"
    z = output.flatten(1)
    return Pair(PIXELS, torch.stack([torch.zeros_like(z), z], dim=1), target.flatten(1), **more)
