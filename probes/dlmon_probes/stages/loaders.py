"""The data loaders of a stage: cut short, or giving other batches than their own.

Which loader trains is not known before a backward has followed one of its batches. Lengths are left alone: schedulers
are made from them. Batches are changed where `_BaseDataLoaderIter.__next__` gives them out, so that subclasses,
workers and wrappers of the loader stay what they are.
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from dlmon_probes.stages import consumers
from dlmon_probes.training import tensors

UNDECIDED = 64  # batches before the first backward of all: trainers fetch one step's accumulation in advance

NONE: Any = object()  # there is no batch to go on with


@dataclass
class Known:
    """A loader, or several that a trainer made alike. trained: a backward followed one of its batches."""

    number: int
    trained: bool = False
    evaluated: bool = False
    passes: int = 0
    given_since_backward: int = 0


@dataclass
class Pass:
    """One pass over a loader: an iterator. given: batches so far. began_at: steps done when it began."""

    loader: Known
    began_at: int
    number: int
    given: int = 0
    over: bool = False
    own: int = 0  # batches really asked of the loader
    without_grad: int = 0
    backwards: int = 0  # since it began
    iterated: Callable[[], Any] = lambda: None  # the DataLoader, as long as it lives


@dataclass
class Policy:
    """What a stage wants of the loaders. Each is asked inside `next`.

    limit(pass, grad): the batches that this pass may give; None: no limit. instead(pass, grad): a function that gives
    the batch in the place of the loader's own; None: its own is wanted. seen(pass, batch, grad): the loader's own
    batch, before the script gets it. exhausted(pass): the loader itself has ended; a batch to go on with, or NONE.
    """

    limit: Callable[[Pass, bool], Optional[int]] = lambda _pass, _grad: None
    instead: Callable[[Pass, bool], Optional[Callable[[], Any]]] = lambda _pass, _grad: None
    seen: Callable[[Pass, Any, bool], None] = lambda _pass, _batch, _grad: None
    exhausted: Callable[[Pass], Any] = lambda _pass: NONE
    uncut: Callable[[Pass], None] = lambda _pass: None  # the limit is reached, but the script would crash of an end


@dataclass
class Loaders:
    """Follows the passes of this process and applies the policy. steps: gives the optimizer steps done."""

    policy: Policy
    steps: Callable[[], int]
    passing: Callable[[], None]  # called at each pull; may end the script
    failed: Callable[[Exception], None]
    known: list[Known] = field(default_factory=list)
    pulls: int = 0
    backwards: int = 0
    most_micro: int = 1  # the most backwards of one step
    _since_step: int = 0
    _alike: dict[Any, Known] = field(default_factory=dict)
    _passes: weakref.WeakKeyDictionary[Any, Pass] = field(default_factory=weakref.WeakKeyDictionary)
    _latest: Optional[Pass] = None

    # ------------------------------------------------------------ what the hooks call

    def begun(self, loader: Any, iterator: Any) -> None:
        """A pass begins. (A persistent iterator begins again.)"""
        found = self._loader(loader)
        found.passes += 1
        self._passes[iterator] = Pass(found, self.steps(), found.passes, iterated=weakref.ref(loader))

    def next(self, iterator: Any, own: Callable[[Any], Any]) -> Any:
        """The next batch of an iterator, or StopIteration. own: the iterator's own `__next__`."""
        self.passing()
        current = self._passes.get(iterator)
        if current is None:
            return own(iterator)
        grad = bool(tensors.torch_module().is_grad_enabled())
        try:
            if current.over or (self._is_over(current, grad) and self._cut(current)):
                raise StopIteration
            self._count(current, grad)
            instead = self.policy.instead(current, grad)
            if instead is not None:
                return instead()
        except StopIteration:
            raise
        except Exception as error:  # the script's own batch is better than none
            self.failed(error)
        return self._own_batch(current, iterator, own, grad)

    def at_backward(self) -> None:
        """A backward begins: the loader that was asked last is trained on, and others asked once since the last one."""
        latest = self._latest
        self.backwards += 1
        self._since_step += 1
        if latest is not None:
            latest.backwards += 1
        for found in self.known:
            since = found.given_since_backward
            found.given_since_backward = 0
            if not since:
                continue
            if (latest is not None and found is latest.loader) or (since == 1 and not found.evaluated):
                found.trained = True
            elif not found.trained:
                found.evaluated = True

    def at_step(self) -> None:
        """An optimizer cycle has ended."""
        self.most_micro = max(self.most_micro, self._since_step)
        self._since_step = 0

    def patience(self) -> int:
        """Batches with gradients on that a pass may give before its first backward: what is fetched in advance."""
        return self.most_micro + 2 if self.backwards else UNDECIDED

    # ------------------------------------------------------------ inside

    def _count(self, current: Pass, grad: bool) -> None:
        self.pulls += 1
        current.given += 1
        current.without_grad += not grad
        if grad:
            current.loader.given_since_backward += 1
            self._latest = current
        elif not current.loader.trained:
            current.loader.evaluated = True

    def _own_batch(self, current: Pass, iterator: Any, own: Callable[[Any], Any], grad: bool) -> Any:
        try:
            batch = own(iterator)
        except StopIteration:
            current.over = True
            batch = self.policy.exhausted(current)
            if batch is NONE:
                raise
            current.over = False
            return batch
        current.own += 1
        try:
            self.policy.seen(current, batch, grad)
        except Exception as error:
            self.failed(error)
        return batch

    def _is_over(self, current: Pass, grad: bool) -> bool:
        limit = self.policy.limit(current, grad)
        return limit is not None and current.given >= limit

    def _cut(self, current: Pass) -> bool:
        """End the pass, if whoever asks takes an end."""
        if not consumers.takes_the_end(depth=2):
            self.policy.uncut(current)
            return False
        current.over = True
        return True

    def _loader(self, loader: Any) -> Known:
        key = _likeness(loader)
        found = self._alike.get(key)
        if found is None:
            found = self._alike[key] = Known(len(self.known))
            self.known.append(found)
        return found


def _likeness(loader: Any) -> tuple[Any, ...]:
    """Trainers make the same loader anew for each evaluation."""
    own = loader.__dict__
    sampler = own.get("sampler")
    return id(own.get("dataset")), type(sampler).__name__, own.get("batch_size"), own.get("num_workers")


def install(loaders: Loaders) -> None:
    """Put the hooks in. Before the probes' own, which then see what the script sees."""
    from torch.utils.data import DataLoader, get_worker_info
    from torch.utils.data import dataloader as module

    base: Any = module._BaseDataLoaderIter
    original_next, original_get = base.__next__, DataLoader._get_iterator
    original_iter = DataLoader.__iter__

    @functools.wraps(original_next)
    def __next__(self: Any) -> Any:
        return loaders.next(self, original_next)

    @functools.wraps(original_get)
    def _get_iterator(self: Any) -> Any:
        iterator = original_get(self)
        if get_worker_info() is None:
            loaders.begun(self, iterator)
        return iterator

    @functools.wraps(original_iter)
    def __iter__(self: Any) -> Any:
        iterator = original_iter(self)
        known = loaders._passes.get(iterator) if isinstance(iterator, base) else None
        if known is not None and known.given:  # persistent workers: the same iterator once more
            loaders.begun(self, iterator)
        return iterator

    base.__next__, DataLoader._get_iterator, DataLoader.__iter__ = __next__, _get_iterator, __iter__


def lengthen(least: int) -> None:
    """Let training loaders say that they are at least so long: trainers count the steps they mean to make by it, and
    would be done before the stage is. Told by their sampler, since nothing else is known when lengths are asked."""
    from torch.utils.data import DataLoader

    original = DataLoader.__len__

    @functools.wraps(original)
    def __len__(self: Any) -> int:
        length: int = original(self)
        return max(length, least) if shuffles(self) else length

    DataLoader.__len__ = __len__


def shuffles(loader: Any) -> bool:
    """Whether a loader draws its samples in random order."""
    own = loader.__dict__
    samplers = [own.get("sampler"), own.get("batch_sampler"), getattr(own.get("batch_sampler"), "sampler", None)]
    return any("Random" in type(sampler).__name__ or getattr(sampler, "shuffle", False) is True for sampler in samplers)
