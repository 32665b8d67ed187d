"""Synthetic training data for the engine stage: the shapes, types, ranges and labels of the script's own batch, and
something in it that any reasonable model learns soon.

Each sample has a hidden code: its class, or two numbers for regression. The inputs show the code as patterns with
noise, each target is a function of the code. Everything else of the batch stays as it is.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from dlmon_probes.stages.data import dense, language, patterns
from dlmon_probes.stages.data.batches import Frozen
from dlmon_probes.stages.data.ranges import Ranges, label_set
from dlmon_probes.stages.data.roles import Roles, TargetRole
from dlmon_probes.training import tensors

MOST_CLASSES = 16  # of a label set that are drawn: more take longer to learn and prove no more
LEVELS = 8  # of a regression's code, where the inputs are categories
NOISE = 0.3  # standard deviations, beside patterns of 1
BITS = 8  # independent labels of a multi-label task; the others repeat them


class Synthetic:
    """Batches like `template`. Raises ValueError where the roles are unknown.

    The same seed gives the same sequence of batches, on any device.
    """

    def __init__(self, template: Frozen, roles: Roles, seed: int) -> None:
        if roles.kind == "unknown":
            raise ValueError(roles.reason)
        self._template = template
        self._roles = roles
        self._own = patterns.generator(seed)
        self._leaves = {leaf.path: leaf.tensor for leaf in template.leaves}
        with tensors.immune():
            self._make = self._maker()

    def draw(self) -> Any:
        """A new batch: all its tensors are the caller's own."""
        with tensors.immune():
            return self._template.with_leaves(self.values())

    def values(self) -> dict[str, Any]:
        """Path → new values of the inputs and targets."""
        with tensors.immune():
            return {path: _like(self._leaves[path], value) for path, value in self._make().items()}

    def _maker(self) -> Callable[[], dict[str, Any]]:
        kind = self._roles.kind
        if kind == "tokens":
            return language.Sequences(self._leaves, self._roles, self._own).make
        if kind == "mask" or self._same_places():
            return dense.Places(self._leaves, self._roles, self._own).make
        return _Rows(self._leaves, self._roles, self._own).make

    def _same_places(self) -> bool:
        """Images to images of the same size: each place's value depends on the input there."""
        first = self._roles.targets[0]
        return first.kind == "regression" and dense.shared_places(
            self._leaves[first.path], [self._leaves[path] for path in self._roles.inputs]
        )


def _like(leaf: Any, value: Any) -> Any:
    """`value` with the dtype, device, layout and pinning of `leaf`."""
    torch = tensors.torch_module()
    readable = tensors.local(leaf)
    base = leaf.detach() if readable is None else readable
    if not (base.dtype.is_floating_point or base.dtype.is_complex) and value.dtype.is_floating_point:
        value = value.round()
    made = torch.empty_like(base)
    made.copy_(value.reshape(base.shape))
    return made.pin_memory() if base.device.type == "cpu" and torch.cuda.is_initialized() and base.is_pinned() else made


class _Rows:
    """Samples by rows: classification, multi-label, regression and reconstruction."""

    def __init__(self, leaves: dict[str, Any], roles: Roles, own: Any) -> None:
        self._leaves = leaves
        self._roles = roles
        self._own = own
        self._rows = roles.rows
        first = roles.targets[0]
        self._kind = first.kind
        self._labels = {t.path: label_set(leaves[t.path], t) for t in roles.targets if t.kind == "classification"}
        self._codes = self._code_width(first)
        names = list(dict.fromkeys(roles.inputs + [t.path for t in roles.targets if t.kind == "reconstruction"]))
        self._inputs = {path: self._input(leaves[path]) for path in names}
        self._ranges = {t.path: Ranges(leaves[t.path], 0) for t in roles.targets}
        self._tables = {t.path: self._table(t) for t in roles.targets if t.kind == "regression"}

    def _code_width(self, first: TargetRole) -> int:
        if first.kind == "classification":
            return min(MOST_CLASSES, max(len(self._labels[first.path]), 2))
        if first.kind == "multilabel":
            return max(1, min(BITS, int(self._leaves[first.path].numel() // self._rows), self._width()))
        return min(4 if first.kind == "reconstruction" else 2, max(1, self._width()))

    def _width(self) -> int:
        """Numbers that the richest input has for a sample: a code of more could not be read off it."""
        inputs = [self._leaves[path] for path in self._roles.inputs] or [self._leaves[self._roles.targets[0].path]]
        return max((int(leaf.numel()) // max(self._rows, 1) for leaf in inputs if not _categorical(leaf)), default=1)

    def _input(self, leaf: Any) -> Optional[Callable[[Any, Any], Any]]:
        """How a leaf shows the code; None: it has no row for each sample, and stays as it is."""
        shape = tuple(int(size) for size in leaf.shape)
        if self._rows not in shape[:2]:
            return None
        dim = 0 if shape[0] == self._rows else 1
        rest = shape[:dim] + shape[dim + 1 :]
        if _categorical(leaf):
            return language.categories(leaf, dim, self._groups(), self._own)
        ranges = Ranges(leaf, dim)
        shown = patterns.prototypes(self._codes, rest, self._own, apart=self._kind == "classification")
        noise = NOISE if self._kind != "reconstruction" else NOISE / 6

        def make(code: Any, _group: Any) -> Any:
            torch = tensors.torch_module()
            strength = torch.tensordot(code, shown, dims=1)
            values = ranges.scaled(strength + noise * patterns.normal((self._rows, *rest), self._own))
            return values.movedim(0, dim)

        return make

    def _groups(self) -> int:
        if self._kind == "classification":
            return self._codes
        return 2 if self._kind == "multilabel" else LEVELS

    def _table(self, target: TargetRole) -> Any:
        """How a regression's values depend on the code: smooth in it."""
        leaf = self._leaves[target.path]
        per_row = leaf.numel() // self._rows
        return patterns.normal((self._codes, per_row), self._own)

    def make(self) -> dict[str, Any]:
        code, group = self._draw_code()
        made = {path: make(code, group) for path, make in self._inputs.items() if make is not None}
        for target in self._roles.targets:
            value = self._value(target, code, group, made)
            if value is not None:
                made[target.path] = value
        return made

    def _draw_code(self) -> tuple[Any, Any]:
        """(rows, codes): what inputs are made of; (rows,): the number of its group, for categories."""
        torch = tensors.torch_module()
        n, width = self._rows, self._codes
        if self._kind == "classification":
            shift = int(patterns.whole(width, (1,), self._own))
            order = torch.randperm(n, generator=self._own, device="cpu")
            group = (torch.arange(n, device="cpu") + shift)[order] % width
            return torch.nn.functional.one_hot(group, width).float() * 1.5, group
        if self._kind == "multilabel":
            bits = (patterns.uniform((n, width), self._own) > 0.5).float()
            return 2 * bits - 1, bits[:, 0].long()
        if self._kind == "reconstruction":
            return patterns.normal((n, width), self._own), torch.zeros(n, dtype=torch.int64, device="cpu")
        group = patterns.whole(LEVELS, (n,), self._own)
        code = 2 * patterns.uniform((n, width), self._own) - 1
        if any(_categorical(self._leaves[path]) for path in self._roles.inputs):
            code = (2 * (group + 0.5) / LEVELS - 1)[:, None].expand(n, width)
        return 1.5 * code, group

    def _value(self, target: TargetRole, code: Any, group: Any, made: dict[str, Any]) -> Optional[Any]:
        leaf = self._leaves[target.path]
        if target.kind == "reconstruction":
            return self._copy_of_input(leaf, made) if target.path not in made else None
        if target.kind == "classification":
            return self._labelled(target, leaf, group)
        if target.kind == "multilabel":
            count = leaf.numel() // self._rows
            columns = tensors.torch_module().arange(count, device="cpu") % self._codes
            return (code[:, columns] > 0).float() if self._kind == "multilabel" else None
        return self._regressed(target, leaf, code)

    def _copy_of_input(self, leaf: Any, made: dict[str, Any]) -> Optional[Any]:
        return next((value for value in made.values() if value.numel() == leaf.numel()), None)

    def _labelled(self, target: TargetRole, leaf: Any, group: Any) -> Any:
        torch = tensors.torch_module()
        labels = torch.tensor(self._labels[target.path], dtype=torch.int64, device="cpu")
        label = labels[group % len(labels)]
        wide = leaf.numel() // self._rows
        if wide > 1:  # one-hot, smoothed or soft: the real largest and smallest
            hot = torch.nn.functional.one_hot(label, wide).float()
            low, high = self._ranges[target.path].ends
            return low + (high - low) * hot
        return label

    def _regressed(self, target: TargetRole, leaf: Any, code: Any) -> Any:
        torch = tensors.torch_module()
        table = self._tables[target.path]
        wanted = code @ table if code.shape[1] == table.shape[0] else code[:, :1].expand(-1, table.shape[1])
        smooth = wanted + 0.3 * torch.sin(wanted)
        spread = 1.1 * table.norm(dim=0, keepdim=True).clamp(min=1e-3)  # of the table, not of the batch
        return self._ranges[target.path].scaled((smooth / spread).reshape(self._rows, *leaf.shape[1:]))


def _categorical(leaf: Any) -> bool:
    """Ids rather than quantities: 64- or 32-bit whole numbers with few dimensions."""
    torch = tensors.torch_module()
    return leaf.dtype in (torch.int64, torch.int32) and leaf.dim() <= 2
