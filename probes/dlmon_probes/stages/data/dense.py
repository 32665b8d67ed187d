"""Synthetic data with a target for each place: masks, tags, maps. What the target is there, the input shows there."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.stages.data import patterns
from dlmon_probes.stages.data.ranges import Ranges, label_set
from dlmon_probes.stages.data.roles import Roles
from dlmon_probes.training import tensors

NOISE = 0.2
WAVES = 4  # low-frequency patterns that the input of a regression is made of


def shared_places(target: Any, inputs: list[Any]) -> bool:
    """Whether an input has the places of the target: images to images."""
    return target.dim() >= 4 and any(x.dim() == target.dim() and x.shape[2:] == target.shape[2:] for x in inputs)


class Places:
    """Labels in boxes, each with a level of its own in every input channel; or, for values, a mix of the channels."""

    def __init__(self, leaves: dict[str, Any], roles: Roles, own: Any) -> None:
        self._leaves = leaves
        self._own = own
        self._target = roles.targets[0]
        target = leaves[self._target.path]
        self._rows = int(target.shape[0])
        self._labels = self._label_set(target)
        self._shape = self._places(target)
        self._values = self._target.kind == "regression"
        self._inputs: dict[str, tuple[int, Optional[int]]] = {}
        for path in roles.inputs:
            layout = self._layout(leaves[path])
            if layout is not None:
                self._inputs[path] = layout
        if not self._inputs:
            raise ValueError("no input has the places of the target")
        self._ranges = {path: Ranges(leaves[path], 0) for path in [self._target.path, *self._inputs]}
        self._levels = {path: self._levels_of(path) for path in self._inputs}
        self._mix: Any = None

    def _label_set(self, target: Any) -> list[int]:
        """For masks of several channels the channels are the labels."""
        if self._several_channels(target):
            return list(range(int(target.shape[1]) + 1))
        found = label_set(target, self._target)
        counts = [int((target == label).sum()) for label in found]
        first = max(range(len(found)), key=lambda i: counts[i])  # the commonest is the background
        return [found[first]] + [label for i, label in enumerate(found) if i != first]

    def _several_channels(self, target: Any) -> bool:
        wide = target.dim() == 4 and int(target.shape[1]) > 1
        return self._target.kind == "mask" and wide and target.dtype.is_floating_point

    def _places(self, target: Any) -> tuple[int, ...]:
        shape = tuple(int(size) for size in target.shape[1:])
        if self._target.kind == "regression" or self._several_channels(target):
            return shape[1:]
        return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape

    def _layout(self, leaf: Any) -> Optional[tuple[int, Optional[int]]]:
        """(factor of its places to the target's, dimension of its channels or None); None: it has other places."""
        shape = tuple(int(size) for size in leaf.shape)
        count = len(self._shape)
        if not shape or shape[0] != self._rows:
            return None
        candidates = [(shape[1:], None), (shape[2:], 1)]
        if len(shape) == count + 2:
            candidates.append((shape[1:-1], len(shape) - 1))
        for places, channels in candidates:
            if len(places) == count and all(a % b == 0 for a, b in zip(places, self._shape)):
                factors = {a // b for a, b in zip(places, self._shape)}
                if len(factors) == 1:
                    return factors.pop(), channels
        return None

    def _levels_of(self, path: str) -> Any:
        """(labels, channels): the level of each label, or for regressions (waves, channels, *places) patterns."""
        leaf, (_, channels) = self._leaves[path], self._inputs[path]
        width = 1 if channels is None else int(leaf.shape[channels])
        if self._values:
            places = tuple(int(size) for size in leaf.shape[2:])
            return patterns.prototypes(WAVES, (width, *places), self._own)
        if width == 1:
            return patterns.prototypes(len(self._labels), (), self._own)[:, None]
        return patterns.prototypes(len(self._labels), (width,), self._own)

    def make(self) -> dict[str, Any]:
        return self._mapped() if self._values else self._labelled()

    # ------------------------------------------------------------ labels

    def _labelled(self) -> dict[str, Any]:
        torch = tensors.torch_module()
        target = self._leaves[self._target.path]
        area = patterns.areas(self._rows, self._shape, len(self._labels), self._own)
        made = {path: self._shown(path, area) for path in self._inputs}
        if self._several_channels(target):
            hot = torch.nn.functional.one_hot(area, len(self._labels))[..., 1:].movedim(-1, 1).float()
            made[self._target.path] = hot
            return made
        labels = torch.tensor(self._labels, dtype=torch.int64, device="cpu")[area].reshape(target.shape)
        ignore = self._target.ignore
        if ignore is not None:
            real = target.to("cpu", torch.int64)
            labels = torch.where(real == ignore, real, labels)
        made[self._target.path] = labels
        return made

    def _shown(self, path: str, area: Any) -> Any:
        """An input that shows the labels of an area by its levels."""
        torch = tensors.torch_module()
        leaf, (factor, channels) = self._leaves[path], self._inputs[path]
        for dim in range(1, area.dim()):
            area = area.repeat_interleave(factor, dim)
        if leaf.dtype in (torch.int64, torch.int32):
            return self._categories(leaf, area)
        values = self._levels[path][area]  # (rows, *places, channels)
        values = values[..., 0] if channels is None else values.movedim(-1, channels)
        noisy = values + NOISE * patterns.normal(tuple(values.shape), self._own)
        return self._ranges[path].scaled(noisy)

    def _categories(self, leaf: Any, area: Any) -> Any:
        """Tags: each label has tokens of its own, of those that the batch has."""
        torch = tensors.torch_module()
        seen = torch.unique(leaf.to("cpu", torch.int64))
        count = len(self._labels)
        share = max(1, min(seen.numel() // count, 4))
        pick = patterns.whole(share, tuple(area.shape), self._own)
        return seen[(area * share + pick) % seen.numel()]

    # ------------------------------------------------------------ values

    def _mapped(self) -> dict[str, Any]:
        torch = tensors.torch_module()
        made: dict[str, Any] = {}
        target = self._leaves[self._target.path]
        shown: Any = None
        for path in self._inputs:
            code = patterns.normal((self._rows, WAVES), self._own)
            field = torch.tensordot(code, self._levels[path], dims=1) / WAVES**0.5
            if shown is None or self._leaves[path].shape == target.shape:
                shown = field
            made[path] = self._ranges[path].scaled(field)
        width = int(target.shape[1])
        if self._mix is None:
            self._mix = patterns.normal((int(shown.shape[1]), width), self._own)
            self._mix = self._mix / self._mix.norm(dim=0, keepdim=True).clamp(min=1e-3)
        mixed = torch.einsum("bi...,io->bo...", shown, self._mix)
        made[self._target.path] = self._ranges[self._target.path].scaled(mixed)
        return made
