"""A batch put together anew with other tensors in it.

Containers are taken apart and put together through the built-in types' own methods, slots and `__dict__`: no code of
the user's runs, and what holds no tensor (tokenizers' encodings, images, strings) is passed on as it is.
"""

from __future__ import annotations

import io
import sys
import types
import weakref
from collections import OrderedDict, UserDict, defaultdict
from typing import Any, Callable, Optional

from dlmon_probes.training import structures

DEEPEST = 12
MOST_ITEMS = 200_000  # of all containers together: a batch of token lists is fine, a data set handed over whole is not

LeafMap = Callable[[str, Any], Any]  # path, tensor or NumPy array → what stands in its place

_PLAIN = (str, bytes, int, float, bool, complex, type(None), range, slice, type(Ellipsis))
_LOCKS = frozenset({"lock", "RLock", "Condition", "Semaphore", "Event", "Queue", "SimpleQueue", "socket", "mmap"})
_LOCKS_FROM = frozenset({"_thread", "threading", "queue", "_queue", "socket", "_socket", "mmap"})


class NotCacheable(Exception):
    """A batch that cannot be kept and given out again; the text says why, in words for the user."""


def rewritten(batch: Any, leaf: LeafMap) -> Any:
    """A batch with each tensor and array put through `leaf(path, it)`; paths are those of `structures.parts`.

    Raises NotCacheable for streams, locks, and what is too deep or too large.
    """
    return _Rewriter(leaf).rewrite(batch, "", 0)


class _Rewriter:
    def __init__(self, leaf: LeafMap) -> None:
        self._leaf = leaf
        self._made: dict[int, Any] = {}  # id of what was met → what stands for it: sharing and cycles are kept
        self._items = 0

    def rewrite(self, thing: Any, path: str, depth: int) -> Any:
        kind = type(thing)
        if kind in _PLAIN:
            return thing
        if id(thing) in self._made:
            return self._made[id(thing)]
        if structures.is_tensor(thing) or _is_array(kind):
            made = self._made[id(thing)] = self._leaf(path, thing)
            return made
        _refuse_streams(kind, path)
        self._items += 1
        if depth >= DEEPEST or self._items > MOST_ITEMS:
            raise NotCacheable(f"the batch's {path or 'container'} is nested too deeply or holds too many objects")
        return self._container(thing, kind, path, depth + 1)

    def _container(self, thing: Any, kind: type, path: str, depth: int) -> Any:
        if issubclass(kind, dict):
            return self._dict(thing, kind, path, depth)
        if issubclass(kind, tuple):
            return self._tuple(thing, kind, path, depth)
        if issubclass(kind, list):
            made = self._made[id(thing)] = [] if kind is list else list.__new__(kind)
            for i, item in enumerate(list.__iter__(thing)):
                list.append(made, self.rewrite(item, f"{path}[{i}]", depth))
            self._attributes(thing, made, path, depth)
            return made
        if issubclass(kind, weakref.ref):
            target = self._made.get(id(thing()))
            return thing if target is None else kind(target)
        return set(thing) if kind is set else self._object(thing, kind, path, depth)

    def _dict(self, thing: Any, kind: type, path: str, depth: int) -> Any:
        base: Any = OrderedDict if issubclass(kind, OrderedDict) else dict
        made: Any = {} if kind is dict else base.__new__(kind)
        self._made[id(thing)] = made
        if issubclass(kind, defaultdict):
            made.default_factory = thing.default_factory
        for key, item in list(dict.items(thing)):
            base.__setitem__(made, key, self.rewrite(item, f"{path}[{key!r}]", depth))
        self._attributes(thing, made, path, depth)
        return made

    def _tuple(self, thing: Any, kind: type, path: str, depth: int) -> Any:
        names = getattr(kind, "_fields", ())
        given = list(tuple.__iter__(thing))
        items = [
            self.rewrite(item, path + (f".{names[i]}" if i < len(names) else f"[{i}]"), depth)
            for i, item in enumerate(given)
        ]
        if all(new is old for new, old in zip(items, given)):
            made: Any = thing  # nothing in it changed, and a tuple cannot be changed in place
        else:
            made = tuple(items) if kind is tuple else tuple.__new__(kind, items)
            self._attributes(thing, made, path, depth)
        self._made[id(thing)] = made
        return made

    def _object(self, thing: Any, kind: type, path: str, depth: int) -> Any:
        """Plain objects: a second one with the same attributes. What has none, or can be called, passes as it is."""
        if callable(thing) or not (_own(thing) or _slots(kind)):
            return thing
        try:
            made: Any = object.__new__(kind)
        except TypeError:  # made by compiled code: passed on as it is
            return thing
        self._made[id(thing)] = made
        self._attributes(thing, made, path, depth)
        return made

    def _attributes(self, thing: Any, made: Any, path: str, depth: int) -> None:
        own = _own(thing)
        if own:
            target = object.__getattribute__(made, "__dict__")
            for name, item in list(own.items()):
                inner = path if name == "data" and issubclass(type(thing), UserDict) else f"{path}.{name}"
                target[name] = self.rewrite(item, inner, depth)
        for name, slot in _slots(type(thing)):
            try:
                value = slot.__get__(thing)
            except AttributeError:
                continue
            slot.__set__(made, self.rewrite(value, f"{path}.{name}", depth))


def _is_array(kind: type) -> bool:
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    return array is not None and issubclass(kind, array)


def _own(thing: Any) -> Optional[dict[str, Any]]:
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return own if type(own) is dict else None


def _slots(kind: type) -> list[tuple[str, Any]]:
    return [
        (name, slot)
        for cls in kind.__mro__
        if "__slots__" in cls.__dict__  # Python classes only: built-in types' members are none of ours
        for name, slot in cls.__dict__.items()
        if type(slot) is types.MemberDescriptorType
    ]


def _refuse_streams(kind: type, path: str) -> None:
    where = f" at {path}" if path else ""
    if issubclass(kind, io.IOBase):
        raise NotCacheable(f"the batch has an open file{where} ({kind.__name__}), which cannot be read again")
    if kind.__name__ in _LOCKS and kind.__module__ in _LOCKS_FROM:
        raise NotCacheable(f"the batch has a {kind.__name__}{where}, which cannot be copied")
    if hasattr(kind, "__next__"):
        raise NotCacheable(f"the batch has a {kind.__name__}{where}, which gives its items only once")
