"""Fixed memory for lists of events: the first few and the last few."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstLast(Generic[T]):
    """The first `first` and the last `last` items of a stream, in order."""

    def __init__(self, first: int, last: int) -> None:
        self._room = first
        self._first: list[T] = []
        self._last: deque[T] = deque(maxlen=last)
        self._items: tuple[T, ...] | None = ()

    def append(self, item: T) -> None:
        self._items = None
        if len(self._first) < self._room:
            self._first.append(item)
        else:
            self._last.append(item)

    def items(self) -> tuple[T, ...]:
        """The same object until another item came: what is made of them can be kept as long."""
        if self._items is None:
            self._items = (*self._first, *self._last)
        return self._items
