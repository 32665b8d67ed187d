"""Tensors inside what programs pass around: batches, arguments, outputs of any nesting.

Reads containers through the built-in types' own methods and `__dict__`, so that no code of the user's runs and nothing
is iterated that could be a stream. Bounded in depth and in number.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from dlmon_probes.training import tensors

MOST_LEAVES = 32
MOST_NODES = 512
DEEPEST = 5


@dataclass(frozen=True)
class Leaf:
    """A tensor and the path to it: `[0]`, `['image']`, `.edge_index`; "" for a lone tensor."""

    path: str
    tensor: Any


def leaves(thing: Any, most: int = MOST_LEAVES) -> list[Leaf]:
    """The tensors in `thing`, depth first, at most `most`."""
    found: list[Leaf] = []
    _collect(thing, "", 0, found, most, [MOST_NODES])
    return found


def _collect(thing: Any, path: str, depth: int, found: list[Leaf], most: int, budget: list[int]) -> None:
    if is_tensor(thing):
        found.append(Leaf(path, thing))
        return
    if depth >= DEEPEST:
        return
    for key, item in parts(thing):
        budget[0] -= 1
        if len(found) >= most or budget[0] < 0:
            return
        if item is not None and type(item) not in _PLAIN:
            _collect(item, path + key, depth + 1, found, most, budget)


_PLAIN = (str, bytes, int, float, bool, complex)


def is_tensor(thing: Any) -> bool:
    # The type, not isinstance: that asks `__class__`, which proxies and mocks answer with code of the user's.
    return issubclass(type(thing), tensors.torch_module().Tensor)


def parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """(how to reach it, item) for each item of a container; nothing for other things."""
    kind = type(thing)
    if issubclass(kind, dict):
        for key, item in list(dict.items(thing)):
            yield f"[{key!r}]", item
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        for name, item in zip(kind._fields, tuple.__iter__(thing)):
            yield f".{name}", item
    elif issubclass(kind, (list, tuple)):
        iterate = list.__iter__ if issubclass(kind, list) else tuple.__iter__
        for i, item in enumerate(iterate(thing)):
            yield f"[{i}]", item
    elif issubclass(kind, UserDict):
        data = object.__getattribute__(thing, "__dict__").get("data")
        if type(data) is dict:
            yield from parts(data)
    elif kind not in _PLAIN and not issubclass(kind, type):
        yield from _attributes(thing)


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return
    if type(own) is dict and not callable(thing):
        for name, item in list(own.items()):
            yield f".{name}", item


def rows(batch: Any) -> Optional[int]:
    """How many samples a batch has: the first dimension of its first tensor, or the length of a list of tensors."""
    if type(batch) in (list, tuple) and 0 < len(batch) <= 2 and type(batch[0]) is tensors.torch_module().Tensor:
        return int(batch[0].shape[0]) if batch[0].dim() else 1  # nearly always; this runs at every step
    with tensors.immune():
        return _rows(batch)


def _rows(batch: Any) -> Optional[int]:
    thing = batch
    for _ in range(DEEPEST):
        if is_tensor(thing):
            return int(thing.shape[0]) if thing.dim() else 1
        items = [item for _, item in parts(thing) if type(item) not in _PLAIN][:MOST_NODES]
        if not items:
            return None
        if type(thing) is list and len(items) > 2 and all(is_tensor(item) and item.dim() > 1 for item in items):
            return len(items)  # images of different sizes are collated to a list
        thing = items[0]
    return None


def describe(thing: Any) -> str:
    """One line: `tuple(32×1×16×16 float32, 32 int64)`."""
    return _describe(thing, 0, [24])


def _describe(thing: Any, depth: int, budget: list[int]) -> str:
    budget[0] -= 1
    if is_tensor(thing):
        return f"{shape_text(thing.shape)} {tensors.name_of(thing.dtype)}"
    kind = type(thing)
    name = kind.__name__
    if kind in _PLAIN or thing is None:
        return name
    if depth >= DEEPEST or budget[0] < 0:
        return f"{name}(…)"
    items: list[str] = []
    for key, item in parts(thing):
        if budget[0] < 0 or len(items) == 8:
            items.append("…")
            break
        text = _describe(item, depth + 1, budget)
        items.append(text if issubclass(kind, (list, tuple)) else f"{_label(key)}: {text}")
    return f"{name}({', '.join(items)})" if items else name


def _label(key: str) -> str:
    return key[1:] if key.startswith(".") else key[1:-1].strip("'")


def shape_text(shape: Any) -> str:
    return "×".join(str(int(size)) for size in shape) or "scalar"
