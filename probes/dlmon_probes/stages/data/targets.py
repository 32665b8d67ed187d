"""The targets that a loss was computed with, read off its graph, and which tensor of the batch each one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from dlmon_probes.training import structures, tensors
from dlmon_probes.training.graph import walk

NEAR = 200  # nodes from the loss: beyond, picks and products are the model's own
AFFINE = 1e-3  # relative error up to which a target counts as a leaf shifted and scaled


@dataclass(frozen=True)
class Target:
    """What a loss node compared with. kind: classes, yes-no, values, probabilities. classes: width, 0: none."""

    kind: str
    tensor: Any
    classes: int = 0
    ignore: Optional[int] = None


def targets_of(loss: Any) -> list[Target]:
    """The targets in a loss's graph, nearest to the root first."""
    found: list[Target] = []
    count = 0

    def visit(node: Any) -> None:
        nonlocal count
        count += 1
        reader = _READERS.get(type(node).__name__)
        if reader is not None and count <= NEAR:
            target = reader(node)
            if target is not None:
                found.append(target)

    if loss.grad_fn is not None:
        walk(loss.grad_fn, visit, most=NEAR)
    return found


def _classes(node: Any) -> Optional[Target]:
    scores, ignore = node._saved_self, node._saved_ignore_index
    width = int(scores.shape[1] if scores.dim() > 1 else scores.shape[0])
    return Target("classes", node._saved_target, width, ignore - (1 << 64) if ignore >= 1 << 63 else ignore)


def _margins(node: Any) -> Optional[Target]:
    return Target("classes", node._saved_target, int(node._saved_self.shape[-1]))


def _yes_no(node: Any) -> Optional[Target]:
    return Target("yes-no", node._saved_target)


def _values(node: Any) -> Optional[Target]:
    if node.next_functions[1][0] is not None:  # both sides are learned
        return None
    return Target("values", node._saved_target)


def _picked(node: Any) -> Optional[Target]:
    """`log_p[range(n), y]` and `log_p.gather(1, y)`."""
    if type(node).__name__ == "GatherBackward0":
        scores = node._saved_self
        return Target("classes", node._saved_index, int(scores.shape[node._saved_dim % max(scores.dim(), 1)]))
    indices = [index for index in node._saved_indices if index is not None]
    sizes = node._saved_self_sym_sizes
    if len(indices) == 2 and len(sizes) == 2:
        return Target("classes", indices[1], int(sizes[1]))
    return None


def _probabilities(node: Any) -> Optional[Target]:
    """Soft labels: a constant times log-probabilities."""
    below = [following for following, _ in node.next_functions]
    if not any(type(following).__name__ == "LogSoftmaxBackward0" for following in below):
        return None
    constant = node._saved_other if below[1] is None else node._saved_self
    if constant is None or constant.dim() < 2 or constant.shape[0] < 2:
        return None
    return Target("probabilities", constant, int(constant.shape[1]))


_READERS = {
    "NllLossBackward0": _classes, "NllLoss2DBackward0": _classes, "MultiMarginLossBackward0": _margins,
    "BinaryCrossEntropyBackward0": _yes_no, "BinaryCrossEntropyWithLogitsBackward0": _yes_no,
    "MseLossBackward0": _values, "SmoothL1LossBackward0": _values, "HuberLossBackward0": _values,
    "GatherBackward0": _picked, "IndexBackward0": _picked, "MulBackward0": _probabilities,
}  # fmt: skip

# ---------------------------------------------------------------- which leaf it is


def leaf_of(target: Target, leaves: list[structures.Leaf]) -> Optional[tuple[structures.Leaf, str]]:
    """The leaf that a target was made from, and how: same, shifted, one-hot, scaled. None: no leaf fits."""
    wanted = tensors.local(target.tensor)
    if wanted is None or not wanted.numel():
        return None
    wanted = _unexpanded(wanted).cpu()
    for how, fits in (("same", _same), ("shifted", _shifted), ("one-hot", _one_hot), ("scaled", _scaled)):
        matching = [leaf for leaf in leaves if fits(leaf.tensor, wanted, target.ignore)]
        if matching:
            return max(matching, key=lambda leaf: _named_as_target(leaf.path)), how
    return None


def _unexpanded(tensor: Any) -> Any:
    """Without the dimensions that broadcasting made: (B, B) of a target (B,) beside a prediction (B, 1)."""
    for dim, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[dim] > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def _named_as_target(path: str) -> int:
    name = path.lower()
    return int(any(word in name for word in ("label", "target", "'y'", ".y", "mask")) or name == "[1]")


def on_cpu(leaf: Any) -> Optional[Any]:
    """A leaf's values for comparing; None where there are none to read."""
    readable = tensors.local(leaf)
    return None if readable is None or readable.dtype.is_complex else readable.cpu()


def _equal(one: Any, other: Any, ignore: Optional[int]) -> bool:
    """Equal elements in equal order, whatever the shapes; ignored ones may differ, if half of all are left."""
    torch = tensors.torch_module()
    if one.numel() != other.numel():
        return False
    one, other = one.reshape(-1), other.reshape(-1)
    if other.dtype.is_floating_point:
        same = torch.isclose(one.to(other.dtype), other, rtol=1e-5, atol=1e-7, equal_nan=True)
    else:
        same = one.to(torch.float64) == other.to(torch.float64)
    if ignore is not None:
        counted = other != ignore
        if int(counted.sum()) == 0:
            return False
        same = same | ~counted
    return bool(same.all())


def _same(leaf: Any, wanted: Any, ignore: Optional[int]) -> bool:
    one = on_cpu(leaf)
    if one is None or one.numel() != wanted.numel():
        return False
    if _equal(one, wanted, ignore):
        return True
    return one.dim() == 2 and _equal(one.t(), wanted, ignore)  # batch first here, time first there


def _shifted(leaf: Any, wanted: Any, ignore: Optional[int]) -> bool:
    """Next-token targets: the leaf without its first column, perhaps filled up at the end."""
    torch = tensors.torch_module()
    one = on_cpu(leaf)
    if one is None or one.dim() != 2 or one.dtype.is_floating_point or one.shape[1] < 2:
        return False
    later = one[:, 1:]
    filled = torch.nn.functional.pad(later, (0, 1), value=-100 if ignore is None else ignore)
    return _equal(later, wanted, ignore) or _equal(filled, wanted, ignore) or _equal(later.t(), wanted, ignore)


def _one_hot(leaf: Any, wanted: Any, ignore: Optional[int]) -> bool:
    one = on_cpu(leaf)
    if one is None:
        return False
    wide, narrow = (one, wanted) if one.numel() > wanted.numel() else (wanted, one)
    if wide.dim() < 2 or wide.shape[1] < 2 or wide.numel() != narrow.numel() * wide.shape[1]:
        return False
    return _equal(wide.argmax(1), narrow.to(wide.argmax(1).dtype), ignore)


def _scaled(leaf: Any, wanted: Any, _ignore: Optional[int]) -> bool:
    """Standardised in the loop, or labels counted from 1: a leaf times something plus something."""
    one = on_cpu(leaf)
    return one is not None and affine(one, wanted)


def affine(one: Any, other: Any) -> bool:
    """Whether `other` is `a * one + b` with a > 0, elementwise in order."""
    if one.numel() != other.numel() or one.numel() < 3:
        return False
    x, y = one.reshape(-1).double(), other.reshape(-1).double()
    x, y = x - x.mean(), y - y.mean()
    size, slope = float((x * x).sum()), float((x * y).sum())
    if not size or slope <= 0:
        return False
    return float((y - slope / size * x).norm()) <= AFFINE * float(y.norm())
