"""Synthetic tokens and categories: only ids that the real batch has, padding and marks left where they are."""

from __future__ import annotations

from typing import Any, Callable, Optional

from dlmon_probes.stages.data import patterns
from dlmon_probes.stages.data.roles import Roles
from dlmon_probes.training import tensors

PERIOD = 16  # ids in the cycle that sequences go round


class Sequences:
    """Token sequences that go round a cycle of ids: what comes next depends on the last token alone, so a model that
    sees anything learns it. For masked tokens the whole row is one id, which any place tells."""

    def __init__(self, leaves: dict[str, Any], roles: Roles, own: Any) -> None:
        self._leaves = leaves
        self._own = own
        self._ignore = next((t.ignore for t in roles.targets if t.ignore is not None), -100)
        self._target = roles.targets[0].path
        self._classes = roles.targets[0].classes
        self._inputs = [path for path in roles.inputs if _is_ids(leaves[path])]
        self._padding = _padding(leaves)
        self._cycle = self._ids()

    def _ids(self) -> Any:
        torch = tensors.torch_module()
        target = self._leaves[self._target].to("cpu", torch.int64)
        seen = torch.unique(target)
        seen = seen[(seen != self._ignore) & (seen >= 0)]
        if self._classes:
            seen = seen[seen < self._classes]
        if seen.numel() < 2:
            seen = torch.arange(max(2, min(self._classes, PERIOD)), device="cpu")
        order = torch.randperm(seen.numel(), generator=self._own, device="cpu")[:PERIOD]
        return seen[order]

    def make(self) -> dict[str, Any]:
        torch = tensors.torch_module()
        target = self._leaves[self._target].to("cpu", torch.int64)
        rows = int(target.shape[0])
        length = max(int(self._leaves[path].shape[1]) for path in [self._target, *self._inputs])
        begin = patterns.whole(self._cycle.numel(), (rows, 1), self._own)
        masked = any(self._is_masked(self._leaves[path], target) for path in self._inputs)
        places = torch.zeros((1, length + 1), dtype=torch.int64, device="cpu")
        if not masked:
            places = torch.arange(length + 1, device="cpu")[None]
        text = self._cycle[(begin + places) % self._cycle.numel()]
        made = {path: self._filled(path, text[:, : self._leaves[path].shape[1]], masked) for path in self._inputs}
        shift = self._shift(target)
        wanted = text[:, shift : shift + target.shape[1]]
        kept = (target == self._ignore) | (target < 0)
        made[self._target] = torch.where(kept, target, wanted)
        return made

    def _filled(self, path: str, text: Any, masked: bool) -> Any:
        """The new text where the real one is text: padding stays, and masked places stay masked."""
        torch = tensors.torch_module()
        real = self._leaves[path].to("cpu", torch.int64)
        keep = torch.zeros_like(real, dtype=torch.bool)
        if self._padding is not None and self._padding.shape == real.shape:
            keep |= self._padding
        target = self._leaves[self._target].to("cpu", torch.int64)
        if masked and target.shape == real.shape:
            keep |= target >= 0
        return torch.where(keep, real, text)

    def _is_masked(self, leaf: Any, target: Any) -> bool:
        """Masked language modelling: most labels are left out, and the input differs where they are not."""
        torch = tensors.torch_module()
        real = leaf.to("cpu", torch.int64)
        if real.shape != target.shape:
            return False
        asked = target >= 0
        few = bool(asked.double().mean() < 0.5)
        return few and bool(asked.any()) and bool((real[asked] != target[asked]).double().mean() > 0.5)

    def _shift(self, target: Any) -> int:
        """1 where the script shifts itself before: target[t] is input[t + 1]."""
        torch = tensors.torch_module()
        for path in self._inputs:
            real = self._leaves[path].to("cpu", torch.int64)
            if real.shape == target.shape and target.shape[1] > 1:
                counted = target[:, :-1] >= 0
                if bool(counted.any()) and bool((target[:, :-1] == real[:, 1:])[counted].double().mean() > 0.9):
                    same = bool((target == real)[target >= 0].double().mean() > 0.9)
                    return 0 if same else 1
        return 0


def categories(leaf: Any, rows: int, groups: int, own: Any) -> Callable[[Any, Any], Any]:
    """A function (code, group) → ids in which each group of samples has ids of its own: of those seen in the leaf, or
    in the column where columns are different things. rows: the dimension of the samples."""
    torch = tensors.torch_module()
    real = leaf.to("cpu", torch.int64).movedim(rows, 0)
    columns = real.reshape(real.shape[0], -1)
    padding = _constant_end(columns)
    pools = _pools(columns, groups, own, padding)

    def make(_code: Any, group: Any) -> Any:
        made = columns.clone()
        for column in range(columns.shape[1]):
            pool = pools[column if len(pools) > 1 else 0]
            if pool is not None:
                pick = patterns.whole(pool.shape[1], (columns.shape[0],), own)
                made[:, column] = pool[group % pool.shape[0], pick]
        if padding is not None:
            made = torch.where(padding, columns, made)
        return made.reshape(real.shape).movedim(0, rows)

    return make


def _pools(columns: Any, groups: int, own: Any, padding: Optional[Any]) -> list[Any]:
    """(groups, ids) for each column, or one for all where the columns are alike; None for a constant column."""
    torch = tensors.torch_module()
    tops = columns.amax(0)
    alike = columns.shape[1] > 64 or columns.shape[0] < 16 or bool(tops.min() * 2 >= tops.max())
    sources = [columns if padding is None else columns[~padding]] if alike else list(columns.unbind(1))
    pools: list[Any] = []
    for source in sources:
        seen = torch.unique(source)
        seen = seen[torch.randperm(seen.numel(), generator=own, device="cpu")]
        if seen.numel() < 2:
            pools.append(None)
            continue
        share = min(max(1, seen.numel() // groups), 4)
        places = torch.arange(groups * share, device="cpu") % seen.numel()
        pools.append(seen[places].reshape(groups, share))
    return pools


def _constant_end(columns: Any) -> Optional[Any]:
    """Where rows are filled up: (rows, columns) true from where only the last column's commonest id follows."""
    torch = tensors.torch_module()
    if columns.shape[1] < 4:
        return None
    last = columns[:, -1]
    values, counts = torch.unique(last, return_counts=True)
    if int(counts.max()) < 2:
        return None
    filler = values[counts.argmax()]
    run = (columns == filler).flip(1).long().cumprod(1).flip(1).bool()
    long_enough = run.sum(1, keepdim=True) >= 2
    found = run & long_enough
    return found if bool(found.any()) and not bool(found.all(1).any()) else None


def _padding(leaves: dict[str, Any]) -> Optional[Any]:
    """Where an attention mask says that there is nothing."""
    torch = tensors.torch_module()
    for path, leaf in leaves.items():
        if "mask" in path.lower() and leaf.dim() == 2:
            mask = leaf.to("cpu", torch.int64)
            if bool(((mask == 0) | (mask == 1)).all()):
                return mask == 0
    return None


def _is_ids(leaf: Any) -> bool:
    return leaf.dim() == 2 and not leaf.dtype.is_floating_point and not leaf.dtype.is_complex
