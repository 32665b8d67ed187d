"""A condition as a tree. Every node knows its type before it is judged, and judges without side effects.

Unknown is a value (None): a fact that was not reported yet, a division by zero. A condition with an unknown part is
unknown unless the rest decides it, and acts only when it is true.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Union

from dlmon.watch.facts import History

Value = Union[float, bool, None]

NUMBER, TRUTH = "a number", "true or false"

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip


class Known(Protocol):
    """Where values come from."""

    def history(self, name: str) -> History:
        """Of a fact; empty for one that was never reported."""


class Node(Protocol):
    """type: NUMBER or TRUTH. at: index of its first character."""

    @property
    def type(self) -> str: ...

    @property
    def at(self) -> int: ...

    def judge(self, known: Known) -> Value:
        """Its value now; None where that is unknown."""


@dataclass(frozen=True)
class Literal:
    value: float
    at: int
    type: str = NUMBER

    def judge(self, known: Known) -> Value:  # noqa: ARG002
        return self.value


@dataclass(frozen=True)
class Fact:
    """The last value of a fact."""

    name: str
    at: int
    type: str = NUMBER

    @property
    def meaning(self) -> tuple[str, str, int]:
        """Equal for two that stand in different places and say the same."""
        return self.name, "", 0

    def judge(self, known: Known) -> Value:
        return known.history(self.name).last


@dataclass(frozen=True)
class Method:
    """takes: whether it wants a number of values in parentheses."""

    type: str
    takes: bool
    judge: Callable[[History, int], Value]
    words: str


def _mean(history: History, n: int) -> Value:
    values = history.tail(n)
    return math.fsum(values) / n if values and all(map(math.isfinite, values)) else None


def _stale(history: History, n: int) -> Value:
    return history.since_best() >= n if history.count else None


def _nonfinite(history: History, _n: int) -> Value:
    return not math.isfinite(history.last) if history.last is not None else None


METHODS: Mapping[str, Method] = {
    "stale": Method(TRUTH, True, _stale, "no new best among the last n values"),
    "mean": Method(NUMBER, True, _mean, "mean of the last n values"),
    "min": Method(NUMBER, True, lambda history, n: min(history.tail(n), default=None), "smallest of the last n values"),
    "max": Method(NUMBER, True, lambda history, n: max(history.tail(n), default=None), "largest of the last n values"),
    "best": Method(NUMBER, False, lambda history, _n: history.best, "best value so far"),
    "count": Method(NUMBER, False, lambda history, _n: float(history.count), "how many values there were"),
    "nonfinite": Method(TRUTH, False, _nonfinite, "the last value is NaN or infinite"),
}


@dataclass(frozen=True)
class Call:
    """`val_loss.stale(5)`."""

    fact: Fact
    method: str
    n: int

    @property
    def meaning(self) -> tuple[str, str, int]:
        return self.fact.name, self.method, self.n

    @property
    def at(self) -> int:
        return self.fact.at

    @property
    def type(self) -> str:
        return METHODS[self.method].type

    def judge(self, known: Known) -> Value:
        return METHODS[self.method].judge(known.history(self.fact.name), self.n)


@dataclass
class Baseline:
    """The fact that it is compared with, as it stands in the first run of a comparison. of: that fact, which is known
    once the whole comparison has been read."""

    at: int
    of: Node | None = None
    type: str = NUMBER

    def judge(self, known: Known) -> Value:
        baseline: Known | None = getattr(known, "baseline", None)
        return self.of.judge(baseline) if self.of is not None and baseline is not None else None


@dataclass(frozen=True)
class Negative:
    part: Node
    at: int
    type: str = NUMBER

    def judge(self, known: Known) -> Value:
        value = self.part.judge(known)
        return None if value is None else -value


@dataclass(frozen=True)
class Arithmetic:
    sign: str
    left: Node
    right: Node
    type: str = NUMBER

    @property
    def at(self) -> int:
        return self.left.at

    def judge(self, known: Known) -> Value:
        left, right = self.left.judge(known), self.right.judge(known)
        if left is None or right is None:
            return None
        try:
            return _ARITHMETIC[self.sign](left, right)
        except ArithmeticError:
            return None


@dataclass(frozen=True)
class Comparison:
    """`0 < loss < 10`: parts has one member more than signs."""

    parts: tuple[Node, ...]
    signs: tuple[str, ...]
    type: str = TRUTH

    @property
    def at(self) -> int:
        return self.parts[0].at

    def judge(self, known: Known) -> Value:
        values = [part.judge(known) for part in self.parts]
        verdicts: list[Value] = []
        for sign, left, right in zip(self.signs, values, values[1:], strict=False):
            verdicts.append(None if left is None or right is None else COMPARISONS[sign](left, right))
        return _all(verdicts)


@dataclass(frozen=True)
class Not:
    part: Node
    at: int
    type: str = TRUTH

    def judge(self, known: Known) -> Value:
        value = self.part.judge(known)
        return None if value is None else not value


@dataclass(frozen=True)
class Joined:
    """`a and b`, `a or b`."""

    word: str
    parts: tuple[Node, ...]
    type: str = TRUTH

    @property
    def at(self) -> int:
        return self.parts[0].at

    def judge(self, known: Known) -> Value:
        values = [part.judge(known) for part in self.parts]
        if self.word == "and":
            return _all(values)
        opposite = _all([None if value is None else not value for value in values])
        return None if opposite is None else not opposite


def _all(values: list[Value]) -> Value:
    """False if any is, else unknown if any is, else true."""
    if any(value is not None and not value for value in values):
        return False
    return None if any(value is None for value in values) else True
