"""Which samples of the data set a batch was made of: the indices that the loader drew for it.

A loader's iterator draws the indices of each batch from its sampler in this process, with and without workers. They
are noted as they pass, so nothing is drawn twice and the order stays the program's own. With workers the batches in
flight are told apart by the numbers that the iterator gives them (`_send_idx`, `_task_info`), also when they come back
out of order. Indices are those of the loader's own data set: of a `Subset`, its own, not those of what is under it.

data.py calls it in five lines: `self.indices = indices.Indices(agent)` in `DataProbe.__init__`,
`self.indices.clear()` in `_anew_after_fork`, `self.indices.taken(iterator, loader)` in `pulled` before the listeners,
`probe.indices.follow(base)` in `install`, and the import.
"""

from __future__ import annotations

import functools
import weakref
from types import CodeType, FunctionType, MethodType
from typing import Any, Callable, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.fuse import Fuse

KEPT = 2  # batches remembered of each loader: the last one, and the one before for programs that fetch one ahead
MOST_LOADERS = 64  # remembered; the one that was silent for longest goes
_ITERABLE = 1  # torch's `_DatasetKind.Iterable`: no indices
_SORTING = frozenset({"sort", "sorted", "argsort", "shuffle", "randperm", "permutation"})


class Drawn:
    """Indices that one iterator drew for batches that were not handed out yet, by the iterator's number for each."""

    __slots__ = ("iterator", "waiting")

    def __init__(self, iterator: Any, gone: Callable[[Any], None]) -> None:
        self.iterator = weakref.ref(iterator, gone)
        self.waiting: dict[int, Any] = {}


class Indices:
    """What was drawn, by iterator, and what was handed out last, by loader. Puts nothing on either."""

    def __init__(self, agent: Agent) -> None:
        self._fuse = Fuse(agent, "indices")
        self._drawn: dict[int, Drawn] = {}
        self._last: dict[int, list[tuple[Any, Any]]] = {}  # loader → (indices, collate function), latest first

    def follow(self, base: Any) -> None:
        """base: torch's `_BaseDataLoaderIter`."""
        original, fuse = base._next_index, self._fuse

        @functools.wraps(original)
        def _next_index(self_: Any) -> Any:
            index = original(self_)
            fuse.run(self.drawn, self_, index)
            return index

        base._next_index = _next_index

    def clear(self) -> None:
        self._drawn.clear()
        self._last.clear()

    def drawn(self, iterator: Any, index: Any) -> None:
        own = iterator.__dict__
        if own.get("_dataset_kind") == _ITERABLE:
            return
        key = id(iterator)
        entry = self._drawn.get(key)
        if entry is None or entry.iterator() is not iterator:
            table = self._drawn

            def gone(reference: Any) -> None:
                if key in table and table[key].iterator is reference:
                    del table[key]

            entry = table[key] = Drawn(iterator, gone)
        number = own.get("_send_idx", 0)
        if number == 0:  # no workers; or the first batch of a pass, also of one that workers which stay alive begin
            entry.waiting.clear()
        entry.waiting[number] = tuple(index) if type(index) is list else index  # samplers may fill one list anew

    def taken(self, iterator: Any, loader: int) -> None:
        """The iterator of this loader has handed out a batch."""
        self._fuse.run(self._taken, iterator, loader)

    def _taken(self, iterator: Any, loader: int) -> None:
        entry = self._drawn.get(id(iterator))
        index = _handed_out(entry.waiting, iterator.__dict__) if entry is not None else None
        last = self._last.pop(loader, [])
        self._last[loader] = [(index, iterator.__dict__.get("_collate_fn")), *last][:KEPT]
        if len(self._last) > MOST_LOADERS:
            del self._last[next(iter(self._last))]

    def of(self, loader: int, back: int) -> tuple[Optional[list[int]], Any]:
        last = self._last.get(loader, [])
        if back >= len(last):
            return None, None
        with tensors.immune():
            return plain(last[back][0]), last[back][1]


def _handed_out(waiting: dict[int, Any], own: dict[str, Any]) -> Any:
    """Take what belongs to the batch that was just handed out; own: the iterator's attributes."""
    tasks = own.get("_task_info")
    if tasks is None:
        return waiting.pop(0, None)
    sent = own.get("_send_idx", 0)
    done = [number for number in waiting if number not in tasks and number < sent]
    found = {number: waiting.pop(number) for number in done}
    if own.get("_in_order", True):
        return found.get(own.get("_rcvd_idx", 0) - 1)
    return found[done[0]] if len(done) == 1 else None  # of several, others raised: it is not known which came


def plain(index: Any) -> Optional[list[int]]:
    """Whole numbers as they are; None for keys, nested indices and whatever else samplers may give."""
    if type(index) in (tuple, list, range):
        if set(map(type, index)) == {int}:  # nearly always
            return list(index)
        numbers = [_whole(item) for item in index]
        return [n for n in numbers if n is not None] if None not in numbers else None
    one = _whole(index)
    if one is not None:
        return [one]
    kind = type(index)
    if kind is tensors.torch_module().Tensor and (index.device.type != "cpu" or index.dim() != 1):
        return None
    if kind is tensors.torch_module().Tensor or (kind.__module__ == "numpy" and kind.__name__ == "ndarray"):
        return plain(index.tolist())
    return None


def _whole(item: Any) -> Optional[int]:
    kind = type(item)
    if kind is int:
        return item  # type: ignore[no-any-return]
    if kind is tensors.torch_module().Tensor:
        whole = item.device.type == "cpu" and item.dim() == 0 and not item.dtype.is_floating_point
        return int(item) if whole else None
    return int(item) if kind.__module__ == "numpy" and kind.__name__.startswith(("int", "uint")) else None


def indices_of_batch(agent: Agent, loader: int, back: int = 0) -> Optional[list[int]]:
    """The indices drawn for the batch that loader (its number in the log) handed out last; back = 1: for the one
    before. None where they are not known: iterable data sets, keys that are no whole numbers, other loaders.

    A loader without automatic batching (`batch_size=None`) draws one index for what it hands out, whatever that holds.
    """
    found = _indices_of(agent)
    return found.of(loader, back)[0] if found is not None else None


def indices_of_rows(agent: Agent, loader: int, rows: int, back: int = 0) -> Optional[list[int]]:
    """As `indices_of_batch`, where row i of the batch is the sample with index i of the list: there are as many, and
    the loader's collate function does not sort them (a function that calls no function named so)."""
    found = _indices_of(agent)
    if found is None:
        return None
    numbers, collate = found.of(loader, back)
    return numbers if numbers is not None and len(numbers) == rows and not reorders(collate) else None


def _indices_of(agent: Agent) -> Optional[Indices]:
    from dlmon_probes.training import data

    probe = data.probe_of(agent)
    return probe.indices if probe is not None else None


def reorders(collate: Any) -> bool:
    """Whether a collate function speaks of sorting or shuffling, as those for packed sequences do."""
    if type(collate) is functools.partial:
        collate = collate.func
    if type(collate) is MethodType:
        collate = collate.__func__
    function = collate if type(collate) is FunctionType else getattr(type(collate), "__call__", None)  # noqa: B004
    code = getattr(function, "__code__", None)
    return type(code) is CodeType and _speaks_of_sorting(code, 3)


def _speaks_of_sorting(code: CodeType, depth: int) -> bool:
    if not _SORTING.isdisjoint(code.co_names):
        return True
    inner = [c for c in code.co_consts if type(c) is CodeType]
    return depth > 0 and any(_speaks_of_sorting(c, depth - 1) for c in inner)
