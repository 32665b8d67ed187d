"""The data loaders: how long the program waits for them, and what a batch looks like when it arrives."""

from __future__ import annotations

import functools
import math
import os
import time
import weakref
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.training import callsite, indices, structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import pack, unpack
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.rows import number_of

MOST_BAD = 4  # batches described because their loss was not finite
MOST_LOADERS = 64  # told about; a program that makes a loader per epoch is not a list of a thousand loaders


class DataProbe:
    """Loaders by number, waiting time and samples of the running step, Batch events.

    Nothing is put on loaders or iterators; they are known by id beside a weak reference.
    """

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._made_at: dict[int, tuple[Any, Optional[events.Where]]] = {}
        self._loaders: dict[int, tuple[Any, int]] = {}
        self._iterators: dict[int, tuple[Any, int, int]] = {}  # → weak reference, loader, iterator number
        self._alike: dict[tuple[Any, ...], int] = {}
        self._count = 0
        self._passes = 0
        self._described: set[int] = set()
        self._undescribed: Optional[tuple[int, Any, float]] = None
        self._bad = 0
        self._pid = os.getpid()
        self.pulls = 0
        self._is_grad_enabled = tensors.torch_module().is_grad_enabled
        self.indices = indices.Indices(agent)
        self.on_pull: list[Callable[[int, int, int, Any, bool], None]] = []  # loader, iterator, rows, batch, grad
        self.on_end: list[Callable[[int, int], None]] = []  # loader, iterator
        self.on_pass: list[Callable[[Any, int, int], None]] = []  # the DataLoader, its number, iterator; as it begins

    # ------------------------------------------------------------ loaders and iterators

    def made(self, loader: Any) -> None:
        place = callsite.where(callsite.caller(2))
        self._made_at[id(loader)] = (weakref.ref(loader, self._forgetter(self._made_at, id(loader))), place)

    def iterated(self, iterator: Any, loader: Any) -> None:
        """A pass over a loader begins: its iterator was made."""
        worker = tensors.torch_module().utils.data.get_worker_info()
        if worker is not None:
            return
        self._anew_after_fork()
        number = self._number_of(loader)
        self._passes += 1
        key = id(iterator)
        self._iterators[key] = (weakref.ref(iterator, self._forgetter(self._iterators, key)), number, self._passes)
        for listener in self.on_pass:
            listener(loader, number, self._passes)

    @staticmethod
    def _forgetter(table: dict[int, Any], key: int) -> Callable[[Any], None]:
        return lambda gone: table.pop(key, None) if key in table and table[key][0] is gone else None

    def _number_of(self, loader: Any) -> int:
        key = id(loader)
        known = self._loaders.get(key)
        if known is not None:
            return known[1]
        made = self._made_at.get(key)
        place = made[1] if made else None
        alike = _likeness(loader, place)
        number = self._alike.get(alike, self._count)
        self._loaders[key] = (weakref.ref(loader, self._forgetter(self._loaders, key)), number)
        if number == self._count:
            self._count += 1
            self._alike[alike] = number
            if number < MOST_LOADERS:
                self._agent.emit(_facts_of(loader, number, place))
        return number

    def _anew_after_fork(self) -> None:
        """What a forked child iterates by itself is told again: its parent's queue was not for its log."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._loaders.clear()
            self._alike.clear()
            self._iterators.clear()
            self._described.clear()
            self.indices.clear()

    # ------------------------------------------------------------ batches

    def pulled(self, iterator: Any, batch: Any, wait: float) -> None:
        began = perf_counter()
        entry = self._iterators.get(id(iterator))
        if entry is None or entry[0]() is not iterator:
            return
        agent, row, loader = self._agent, self._loop.row, entry[1]
        rows = structures.rows(batch) or 0
        grad = self._is_grad_enabled()
        self.pulls += 1
        row.wait += wait
        if grad:
            row.samples = (row.samples or 0) + rows
        if (loader not in self._described and loader < MOST_LOADERS) or (
            agent.sampling and agent.training and agent.governor.affords("batch")
        ):
            self._described.add(loader)
            describe(agent, loader, batch, wait)
            self._undescribed = None
        else:
            self._undescribed = (loader, batch, wait)  # until the next one: it may turn out to be a bad one
            agent.governor.pay(perf_counter() - began)
        self.indices.taken(iterator, loader)
        for listener in self.on_pull:
            listener(loader, entry[2], rows, batch, grad)

    def at_backward(self, _loss: Any, series: int) -> None:
        """The batch behind a loss that is not finite is described, whether it was its turn or not."""
        batch, losses = self._undescribed, self._loop.row.losses.get(series)
        value = number_of(losses[-1]) if losses else None
        if batch is not None and value is not None and not math.isfinite(value) and self._bad < MOST_BAD:
            self._bad += 1
            self._undescribed = None
            describe(self._agent, *batch)

    def last_batch(self) -> Optional[tuple[int, Any]]:
        """(loader, batch) as it was pulled last; None once another began, or where it was described already."""
        return None if self._undescribed is None else self._undescribed[:2]

    def ended(self, iterator: Any, wait: float) -> None:
        self._undescribed = None
        entry = self._iterators.get(id(iterator))
        if entry is not None:
            self._loop.row.wait += wait
            for listener in self.on_end:
                listener(entry[1], entry[2])

    def not_trained_on(self, rows: int) -> None:
        """Samples that were counted as the running step's turned out to be an evaluation's."""
        row = self._loop.row
        row.samples = max((row.samples or 0) - rows, 0) or None


def describe(agent: Agent, loader: int, batch: Any, wait: Optional[float]) -> None:
    """Write a Batch event: structure, and statistics of the tensors in it."""
    began = perf_counter()
    found = structures.leaves(batch)
    step = agent.step
    with tensors.immune():
        measured = [(leaf.path, type(leaf.tensor).__name__, tensors.Measured(leaf.tensor)) for leaf in found]
        vectors, lengths = pack([m.vector for _, _, m in measured])
        text = structures.describe(batch)

        def done(values: list[list[float]]) -> None:
            named = [
                events.NamedTensor(path, m.facts(numbers), kind)
                for (path, kind, m), numbers in zip(measured, unpack(values, lengths))
            ]
            agent.emit(events.Batch(time.time(), step, loader, named, text, wait))

        agent.later(vectors, done)
    agent.governor.pay_for("batch", perf_counter() - began)


def _likeness(loader: Any, place: Optional[events.Where]) -> tuple[Any, ...]:
    """Trainers make the same loader anew for each evaluation: same data, same options, same line are one loader.

    The data set is told by its id, which may come again after its end; then the line and the options must agree, too.
    """
    own = loader.__dict__
    line = (place.file, place.line) if place is not None else None
    return id(own.get("dataset")), type(_sampler_of(loader)), own.get("batch_size"), own.get("num_workers"), line


def _sampler_of(loader: Any) -> Any:
    """What decides about the order: with a batch sampler given, `loader.sampler` is not used."""
    own = loader.__dict__
    batch_sampler = own.get("batch_sampler")
    if batch_sampler is None:
        return own.get("sampler")
    return batch_sampler.sampler if type(batch_sampler).__name__ == "BatchSampler" else batch_sampler


def _facts_of(loader: Any, number: int, place: Optional[events.Where]) -> events.Loader:
    from torch.utils.data import IterableDataset

    own = loader.__dict__
    dataset, sampler, batch_sampler = own.get("dataset"), own.get("sampler"), own.get("batch_sampler")
    length = samples = None
    iterable = issubclass(type(dataset), IterableDataset)
    if not iterable:  # asking an iterable loader for its length leaves a mark on it
        length, samples = length_of(batch_sampler if batch_sampler is not None else sampler), length_of(dataset)
    batch_size = own.get("batch_size")
    if batch_size is None:
        batch_size = getattr(batch_sampler, "batch_size", None)
    return events.Loader(
        t=time.time(), loader=number, dataset=type(dataset).__name__, length=length, samples=samples,
        batch_size=batch_size if isinstance(batch_size, int) else None, workers=int(own.get("num_workers") or 0),
        sampler="" if iterable else type(_sampler_of(loader)).__name__, pin_memory=bool(own.get("pin_memory")),
        drop_last=bool(own.get("drop_last")), where=place,
    )  # fmt: skip


def length_of(sized: Any) -> Optional[int]:
    """None where it does not say, or raises."""
    try:
        return len(sized)
    except Exception:
        return None


# ---------------------------------------------------------------- installation

_probes: weakref.WeakKeyDictionary[Agent, DataProbe] = weakref.WeakKeyDictionary()


def probe_of(agent: Agent) -> Optional[DataProbe]:
    """The data probe, for instruments that build on it; None where it could not be installed."""
    return _probes.get(agent)


def install(agent: Agent, loop: Loop) -> None:
    from torch.utils.data import DataLoader
    from torch.utils.data import dataloader as module

    probe = DataProbe(agent, loop)
    agent.guard("data", agent.sampled_before_backward, probe.at_backward)
    fuse = Fuse(agent, "data")
    base: Any = module._BaseDataLoaderIter
    _wrap_loader(DataLoader, fuse, probe)
    probe.indices.follow(base)
    original = base.__next__

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        began = perf_counter()
        try:
            batch = original(self)
        except StopIteration:
            fuse.run(probe.ended, self, perf_counter() - began)
            raise
        fuse.run(probe.pulled, self, batch, perf_counter() - began)
        return batch

    base.__next__ = __next__
    _probes[agent] = probe


def _wrap_loader(cls: Any, fuse: Fuse, probe: DataProbe) -> None:
    """Note where loaders are made, and their iterators. (Not in the iterators' own `__init__`: it warns with its
    caller's place, which would then be ours.)"""
    init, get_iterator = cls.__init__, cls._get_iterator

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        fuse.run(probe.made, self)

    @functools.wraps(get_iterator)
    def _get_iterator(self: Any) -> Any:
        iterator = get_iterator(self)
        fuse.run(probe.iterated, iterator, self)
        return iterator

    cls.__init__, cls._get_iterator = __init__, _get_iterator
