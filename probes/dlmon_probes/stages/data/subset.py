"""A seeded part of the training data, the same rows in every pass.

Loaders that shuffle draw only rows that are kept, from their length on: schedulers, workers and progress bars agree.
What has no order of its own to draw from (iterable data, own samplers) is cut by batches per pass instead.
"""

from __future__ import annotations

import functools
import math
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.stages.data.patterns import generator
from dlmon_probes.stages.plan import Plan
from dlmon_probes.training import callsite, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.data import length_of

LEAST_BATCHES = 2
UNKNOWN_LENGTH = 100  # batches of a pass over data that does not say how much there is
MOST_ROUNDS = 64  # passes over a sampler to find enough kept rows: drawing with replacement may miss some


@dataclass
class Part:
    """The kept rows of one sampler. count: rows a pass draws; drawn: rows that it would draw of all."""

    rows: frozenset[int]
    order: list[int]
    count: int
    drawn: int


class Subset:
    """Says of each loader what is kept of it. See `install`."""

    def __init__(self, agent: Agent, plan: Plan) -> None:
        self._agent = agent
        self._plan = plan
        self._made_at: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._parts: weakref.WeakKeyDictionary[Any, Optional[Part]] = weakref.WeakKeyDictionary()
        self._whole: weakref.WeakSet[Any] = weakref.WeakSet()  # iterated without gradients: they evaluate
        self._limited: weakref.WeakSet[Any] = weakref.WeakSet()
        self._told = 0

    def limit_for(self, loader: Any) -> Optional[int]:
        """Batches that a pass over a training loader may give; None where its sampler draws fewer rows already."""
        if self._parts.get(loader) is not None and loader not in self._whole:
            return None
        iterable = loader.__dict__.get("_dataset_kind") == 1  # asking it for its length leaves a mark on it
        length = None if iterable else length_of(loader)
        batches = UNKNOWN_LENGTH if length is None else max(LEAST_BATCHES, math.ceil(self._plan.fraction * length))
        if loader not in self._limited:
            self._limited.add(loader)
            of = "an unknown number of" if length is None else f"{length:,}"
            self._tell(loader, f"{batches:,} of {of} batches in each pass")
        return batches

    def made(self, loader: Any) -> None:
        self._made_at[loader] = callsite.where(callsite.caller(2))

    def index_sampler(self, loader: Any, own: Any) -> Any:
        """What gives a loader its indices: `own`, or a part of it."""
        if not tensors.torch_module().is_grad_enabled() and loader not in self._parts:
            self._whole.add(loader)
        if loader in self._whole:
            return own
        sampler, batched = _sampler_of(own)
        if sampler is None:
            return own
        if loader not in self._parts:
            part = self._part_of(sampler, own.batch_size if batched else 1)
            self._parts[loader] = part
            if part is not None:
                self._tell(loader, f"{part.count:,} of {part.drawn:,} samples")
        part = self._parts[loader]
        if part is None:
            return own
        return PartOfBatches(own, sampler, part) if batched else PartOfRows(sampler, part)

    def _part_of(self, sampler: Any, batch_size: int) -> Optional[Part]:
        """None where nothing would be left out."""
        drawn, population = length_of(sampler), _population(sampler)
        if not drawn or not population:
            return None
        least = LEAST_BATCHES * max(batch_size, 1)
        world = int(getattr(sampler, "num_replicas", 1))
        keep = min(len(population), max(math.ceil(self._plan.fraction * len(population)), least * world))
        keep = min(len(population), math.ceil(keep / world) * world)
        count = min(drawn, max(math.ceil(self._plan.fraction * drawn), least))
        if world > 1:
            keep, count = keep // world * world, keep // world
        if keep >= len(population):
            return None
        torch = tensors.torch_module()
        with tensors.immune():
            places = torch.randperm(len(population), generator=generator(self._plan.seed), device="cpu")[:keep]
        order = sorted(population[place] for place in places.tolist())
        return Part(frozenset(order), order, count, drawn)

    def _tell(self, loader: Any, what: str) -> None:
        place = self._made_at.get(loader)
        where = f" ({place.file.rsplit('/', 1)[-1]}:{place.line})" if place is not None else ""
        detail = f"loader {self._told}{where}: {what}"
        self._told += 1
        self._agent.emit(events.Stage(time.time(), self._plan.name, "change", self._agent.step, "", detail))


class PartOfRows:
    """Stands for a sampler: draws as it does, and passes on the kept rows only."""

    def __init__(self, sampler: Any, part: Part) -> None:
        self._sampler = sampler
        self._part = part

    def __len__(self) -> int:
        return self._part.count

    def __iter__(self) -> Iterator[int]:
        if int(getattr(self._sampler, "num_replicas", 1)) > 1:
            yield from self._of_this_rank()
            return
        given = 0
        for _ in range(MOST_ROUNDS):
            for row in self._sampler:
                if int(row) in self._part.rows:
                    yield row
                    given += 1
                    if given == self._part.count:
                        return

    def _of_this_rank(self) -> Iterator[int]:
        """As DistributedSampler does it, over the kept rows: every rank draws the same number of them."""
        torch = tensors.torch_module()
        sampler, order = self._sampler, self._part.order
        with tensors.immune():
            own = generator(int(sampler.seed) + int(sampler.epoch))
            places = torch.randperm(len(order), generator=own, device="cpu").tolist()
        yield from (order[place] for place in places[sampler.rank :: sampler.num_replicas])


class PartOfBatches:
    """Stands for a BatchSampler over a part of its sampler's rows."""

    def __init__(self, own: Any, sampler: Any, part: Part) -> None:
        self._own = own
        self._rows = PartOfRows(sampler, part)
        self.batch_size = own.batch_size
        self.drop_last = own.drop_last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def __len__(self) -> int:
        rows = len(self._rows)
        size = int(self.batch_size)
        return rows // size if self.drop_last else -(-rows // size)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for row in self._rows:
            batch.append(row)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch


def _sampler_of(own: Any) -> tuple[Any, bool]:
    """(the sampler that shuffles, whether `own` makes batches of it); (None, …) where the order is the script's own."""
    from torch.utils.data import BatchSampler

    batched = type(own) is BatchSampler
    sampler = own.sampler if batched else own
    return (sampler if _shuffles(sampler) else None), batched


def _shuffles(sampler: Any) -> bool:
    from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler
    from torch.utils.data.distributed import DistributedSampler

    kind = type(sampler)
    if issubclass(kind, DistributedSampler):
        return kind is DistributedSampler and bool(sampler.shuffle)
    return issubclass(kind, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler))


def _population(sampler: Any) -> list[int]:
    """The rows that a sampler may draw."""
    own = sampler.__dict__
    if "indices" in own:
        return [int(row) for row in own["indices"]]
    weights = own.get("weights")
    if weights is not None:
        return [row for row, weight in enumerate(weights.tolist()) if weight > 0]
    source = own.get("data_source", own.get("dataset"))
    return list(range(length_of(source) or 0))


def install(agent: Agent, plan: Plan) -> Subset:
    """Make every loader that shuffles draw from a part of its rows. Before the data probe's own wraps."""
    from torch.utils.data import DataLoader

    subset = Subset(agent, plan)
    cls: Any = DataLoader
    cls.__init__ = _noting(cls.__init__, subset, agent)
    original: Callable[[Any], Any] = cls._index_sampler.fget

    @functools.wraps(original)
    def _index_sampler(self: Any) -> Any:
        own = original(self)
        try:
            return subset.index_sampler(self, own)
        except Exception as error:
            agent.report("subset", error)
            return own

    cls._index_sampler = property(_index_sampler)
    return subset


def _noting(init: Any, subset: Subset, agent: Agent) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        try:
            subset.made(self)
        except Exception as error:
            agent.report("subset", error)

    return __init__
