"""Keeping a batch and giving it out again: fresh copies of the same structure, as programs change batches in place."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.stages.data.digests import digest_of
from dlmon_probes.stages.data.rewriting import NotCacheable as NotCacheable
from dlmon_probes.stages.data.rewriting import rewritten
from dlmon_probes.training import structures, tensors


class Frozen:
    """A kept batch. `template` is our own copy, never to be handed out; `leaves` its tensors by path (NumPy arrays
    among them stand as tensors that share their memory)."""

    def __init__(self, template: Any) -> None:
        self.template = template
        self.leaves = leaves_of(template)

    def copy(self) -> Any:
        """A batch like the one that was frozen: same types, devices, pinning and layout; its tensors are its own."""
        with tensors.immune():
            return rewritten(self.template, lambda _, leaf: clone(leaf))

    def with_leaves(self, replaced: dict[str, Any]) -> Any:
        """As `copy`, with the tensors at these paths replaced (see `rebuild`)."""
        with tensors.immune():
            return rewritten(self.template, lambda path, leaf: _in_place_of(leaf, replaced.get(path)))

    def digest(self) -> int:
        """See `digest`."""
        return digest(self.leaves)


def freeze(batch: Any) -> Frozen:
    """Keep a batch. Raises NotCacheable with the reason in words."""
    with tensors.immune():
        frozen = Frozen(rewritten(batch, lambda _, leaf: clone(leaf)))
    if not frozen.leaves:
        raise NotCacheable(f"the batch, a {type(batch).__name__}, holds no tensor or array that could be kept")
    return frozen


def rebuild(batch: Any, replaced: dict[str, Any]) -> Any:
    """The same structure with the tensors at these paths replaced; all other leaves are the very same objects.

    A replacement takes over the place's tensor class and, for NumPy arrays, becomes an array of that dtype.
    """

    def leaf(path: str, thing: Any) -> Any:
        return thing if path not in replaced else _in_place_of(thing, replaced[path])

    with tensors.immune():
        return rewritten(batch, leaf)


def leaves_of(batch: Any) -> list[structures.Leaf]:
    """Every tensor and numeric NumPy array of a batch by path, in order; arrays as tensors on the same memory."""
    found: list[structures.Leaf] = []

    def note(path: str, leaf: Any) -> Any:
        tensor = as_tensor(leaf)
        if tensor is not None:
            found.append(structures.Leaf(path, tensor))
        return leaf

    with tensors.immune():
        rewritten(batch, note)
    return found


def as_tensor(leaf: Any) -> Optional[Any]:
    """A leaf as a tensor; None for arrays of strings and the like."""
    if structures.is_tensor(leaf):
        return leaf
    try:
        return tensors.torch_module().from_numpy(leaf)
    except (TypeError, ValueError):  # strings, objects, types that torch does not have, negative strides
        return None


def digest(batch: Any) -> int:
    """A 64-bit hash of the values, shapes and types of a batch's tensors (a list of Leaf is taken as it is): the same
    for the same batch in any process. Looks at up to 4,096 elements of each, evenly spaced. Waits for the device."""
    given = type(batch) is list and bool(batch) and type(batch[0]) is structures.Leaf
    known: list[structures.Leaf] = batch if given else leaves_of(batch)
    with tensors.immune():
        return digest_of((leaf.path, leaf.tensor) for leaf in known)


# ---------------------------------------------------------------- leaves


def clone(leaf: Any) -> Any:
    """A copy of a tensor or array that shares nothing with it. Call it within `tensors.immune()`."""
    if not structures.is_tensor(leaf):
        return leaf.copy()
    torch = tensors.torch_module()
    source = leaf.detach()
    if source.device.type == "cpu" and torch.cuda.is_initialized() and source.is_pinned():
        made = torch.empty_like(source, pin_memory=True)
        made.copy_(source)
    else:
        made = source.clone()
    made = _of_class(made, leaf)
    if leaf.requires_grad and leaf.is_leaf:
        made.requires_grad_(True)
    return made


def _of_class(made: Any, model: Any) -> Any:
    """`made` as the tensor class of `model`, with the plain attributes that instances of it carry."""
    kind = type(model)
    if type(made) is kind or kind is tensors.torch_module().nn.Parameter:
        return made
    made = made.as_subclass(kind)
    own = getattr(model, "__dict__", None)
    if own:
        made.__dict__.update(own)
    return made


def _in_place_of(leaf: Any, replacement: Any) -> Any:
    if replacement is None:
        return clone(leaf)
    if structures.is_tensor(leaf):
        return _of_class(replacement, leaf)
    return replacement.detach().cpu().numpy().astype(leaf.dtype)
