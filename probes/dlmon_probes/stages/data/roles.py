"""What the tensors of a batch are to the training: its inputs, its labels, its tokens.

Told by values, not by names: the target that the loss was computed with is looked for among the batch's tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from dlmon_probes.stages.data import targets
from dlmon_probes.stages.data.targets import Target
from dlmon_probes.training import structures, tensors
from dlmon_probes.training.graph import walk

INPUT, LABELS, TOKENS, VALUES, MASK, AS_IT_IS = "input", "labels", "tokens", "values", "mask", "as it is"
KINDS = ("classification", "multilabel", "regression", "tokens", "mask", "reconstruction", "unknown")


@dataclass(frozen=True)
class TargetRole:
    """One leaf that is a target. classes: width of the prediction, 0 where it has none. ignore: label left out."""

    path: str
    kind: str
    classes: int = 0
    ignore: Optional[int] = None


@dataclass
class Roles:
    """What each leaf of a batch is. kind: one of KINDS, of the first target. reason: why it is unknown.

    rows: samples of the batch, the size that inputs and targets share.
    """

    kind: str
    reason: str = ""
    inputs: list[str] = field(default_factory=list)
    targets: list[TargetRole] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    rows: int = 0

    def by_path(self) -> dict[str, str]:
        """Path → input, labels, tokens, values, mask, as it is."""
        named = dict.fromkeys(self.rest, AS_IT_IS)
        named.update(dict.fromkeys(self.inputs, TOKENS if self.kind == "tokens" else INPUT))
        named.update({target.path: _NAMES[target.kind] for target in self.targets})
        return named


_NAMES = {
    "classification": LABELS, "multilabel": LABELS, "regression": VALUES, "tokens": TOKENS, "mask": MASK,
    "reconstruction": INPUT,
}  # fmt: skip


def roles_of(leaves: list[structures.Leaf], loss: Any, model_inputs: list[structures.Leaf]) -> Roles:
    """The roles of a batch's leaves in a loss that is about to go backward. model_inputs: tensors that modules were
    called with since the last backward, empty where that is not known. Reads values, so waits for a device."""
    with tensors.immune():
        try:
            return _roles([_readable(leaf) for leaf in leaves], loss, model_inputs)
        except Exception as error:
            return Roles("unknown", f"the batch could not be compared with the loss ({type(error).__name__}: {error})")


def _roles(leaves: list[structures.Leaf], loss: Any, model_inputs: list[structures.Leaf]) -> Roles:
    if any("edge_index" in leaf.path or "adj" in leaf.path for leaf in leaves):
        return _unknown(leaves, "the batch is a graph: its tensors depend on one another")
    fed = {leaf.path for leaf in leaves if _is_among(leaf.tensor, model_inputs)}
    pairs = _matched(leaves, targets.targets_of(loss))
    if not pairs:
        pairs = _left_over(leaves, fed, loss)
    if not pairs:
        return _unknown(leaves, "no tensor of the batch is the target that the loss was computed with")
    aims = {leaf.path for leaf, _, _ in pairs}
    inputs = [leaf for leaf in leaves if leaf.path not in aims and _can_be_input(leaf)]
    if any(leaf.path in fed for leaf in inputs) or aims & fed:
        inputs = [leaf for leaf in inputs if leaf.path in fed]
    roles = Roles("unknown", inputs=[leaf.path for leaf in inputs])
    for leaf, target, how in pairs:
        kind = _kind(leaf, target, how, inputs, fed)
        roles.targets.append(TargetRole(leaf.path, kind, target.classes, target.ignore))
    roles.kind = roles.targets[0].kind
    roles.rows = _rows(pairs[0][0].tensor, [leaf.tensor for leaf in inputs])
    roles.rest = [leaf.path for leaf in leaves if leaf.path not in aims and leaf.path not in roles.inputs]
    if not inputs and roles.kind not in ("tokens", "reconstruction"):
        return _unknown(leaves, "no tensor of the batch besides the target can be the model's input")
    return roles


def fed(found: Roles, leaves: list[structures.Leaf], model_inputs: list[structures.Leaf]) -> bool:
    """Whether modules were called with one of the roles' inputs (or, for next-token text, with the target's)."""
    paths = {*found.inputs, *(target.path for target in found.targets if target.kind in ("tokens", "reconstruction"))}
    return any(leaf.path in paths and _is_among(leaf.tensor, model_inputs) for leaf in leaves)


def _readable(leaf: structures.Leaf) -> structures.Leaf:
    """On the CPU, where leaves of several devices can be compared; what has no values to read stays itself."""
    values = targets.on_cpu(leaf.tensor)
    return leaf if values is None else structures.Leaf(leaf.path, values)


def _unknown(leaves: list[structures.Leaf], reason: str) -> Roles:
    return Roles("unknown", reason, rest=[leaf.path for leaf in leaves])


def _matched(leaves: list[structures.Leaf], found: list[Target]) -> list[tuple[structures.Leaf, Target, str]]:
    pairs: list[tuple[structures.Leaf, Target, str]] = []
    for target in found:
        match = targets.leaf_of(target, leaves)
        if match is not None and match[0].path not in {leaf.path for leaf, _, _ in pairs}:
            pairs.append((match[0], target, match[1]))
    return pairs


def _left_over(leaves: list[structures.Leaf], fed: set[str], loss: Any) -> list[tuple[structures.Leaf, Target, str]]:
    """Written by hand, `((pred - y) ** 2).mean()` keeps no target: the one tensor that no module was given is it."""
    rest = [leaf for leaf in leaves if leaf.path not in fed and leaf.tensor.dtype.is_floating_point]
    errors = {"PowBackward0", "AbsBackward0", "MulBackward0"}
    near: list[str] = []
    walk(loss.grad_fn, lambda node: near.append(type(node).__name__), most=8)
    if not fed or len(rest) != 1 or not errors & set(near):
        return []
    return [(rest[0], Target("values", rest[0].tensor), "same")]


def _is_among(tensor: Any, given: list[structures.Leaf]) -> bool:
    """Whether modules were called with this tensor, perhaps moved, cast, scaled or reshaped."""
    mine = targets.on_cpu(tensor)
    if mine is None or not mine.numel():
        return False
    for leaf in given:
        there = targets.on_cpu(leaf.tensor) if leaf.tensor.numel() == mine.numel() else None
        if there is None:
            continue
        if tensors.torch_module().equal(there.reshape(-1).double(), mine.reshape(-1).double()):
            return True
        floating = mine.dtype.is_floating_point or there.dtype.is_floating_point
        if floating and (targets.affine(mine, there) or _affine_by_channel(mine, there)):
            return True
    return False


def _affine_by_channel(one: Any, other: Any) -> bool:
    """Images normalised on the device: each channel has its own mean and scale."""
    if one.dim() != 4 or one.shape != other.shape or one.shape[1] > 4:
        return False
    return all(targets.affine(one[:, c], other[:, c]) for c in range(one.shape[1]))


def _can_be_input(leaf: structures.Leaf) -> bool:
    """Masks, positions and lengths stay as they are."""
    name = leaf.path.lower()
    if any(word in name for word in ("attention_mask", "position", "length", "token_type", "batch_sizes", "indices")):
        return False
    return bool(leaf.tensor.numel()) and not leaf.tensor.is_nested and leaf.tensor.dtype != tensors.torch_module().bool


def _kind(leaf: structures.Leaf, target: Target, how: str, inputs: list[structures.Leaf], fed: set[str]) -> str:
    tensor = leaf.tensor
    discrete = not (tensor.dtype.is_floating_point or tensor.dtype.is_complex)
    twin = next((other for other in inputs if _twins(other.tensor, tensor)), None)
    if target.kind == "classes" and discrete and tensor.dim() >= 2:
        if how == "shifted" or twin is not None or any(_follows(other.tensor, tensor) for other in inputs):
            return "tokens"
        if not inputs or _all_tokens(inputs):
            return "tokens" if not inputs or _masked_language(inputs, tensor) else "mask"
    if twin is not None or (target.kind in ("values", "yes-no") and not discrete and leaf.path in fed):
        return "reconstruction"
    first = int(tensor.shape[0]) if tensor.dim() else 1
    per_row = tensor.numel() // max(first, 1)
    if target.kind in ("classes", "probabilities"):
        wide = (how == "one-hot" and tensor.dim() == 2) or target.kind == "probabilities"
        return "classification" if per_row == 1 or wide else "mask"
    if target.kind == "yes-no":
        if tensor.dim() >= 3:
            return "mask"
        return "classification" if per_row == 1 else "multilabel"
    return "regression"


def _twins(one: Any, other: Any) -> bool:
    """The same values: labels that are a copy of the inputs, up to ignored places (-100)."""
    torch = tensors.torch_module()
    if one.shape != other.shape:
        return False
    if other.dtype.is_floating_point:
        return bool(torch.equal(one.to(other.dtype), other))
    counted = other >= 0
    return bool(((one == other) | ~counted).all()) and bool(counted.any())


def _follows(one: Any, other: Any) -> bool:
    """Next-token pairs: `y[:, :-1] == x[:, 1:]`, in either order of the dimensions."""
    if one.dim() != 2 or one.shape != other.shape or one.dtype.is_floating_point or min(one.shape) < 2:
        return False
    return bool((other[:, :-1] == one[:, 1:]).all()) or bool((other[:-1] == one[1:]).all())


def _all_tokens(inputs: list[structures.Leaf]) -> bool:
    return all(not leaf.tensor.dtype.is_floating_point and leaf.tensor.dim() == 2 for leaf in inputs)


def _masked_language(inputs: list[structures.Leaf], target: Any) -> bool:
    """Labels at few places, or of another length than the inputs (translation): tokens, not tags."""
    if all(leaf.tensor.shape != target.shape for leaf in inputs):
        return True
    return bool(((target < 0).double().mean() > 0.5).item())


def _rows(target: Any, inputs: list[Any]) -> int:
    """The size that inputs and targets share, first or second dimension; the target's first one without inputs."""
    first = int(target.shape[0]) if target.dim() else 1
    shared = [size for size in map(int, target.shape[:2]) if any(size in map(int, one.shape[:2]) for one in inputs)]
    return first if first in shared or not shared else shared[0]
