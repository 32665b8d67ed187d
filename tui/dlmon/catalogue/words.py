"""The words that pick runs: `failed tag:baseline loss<0.1 older:7d -name`. All of them must fit."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dlmon.catalogue.rows import Row
from dlmon.errors import UserError

Test = Callable[[Row, float], bool]

_COMPARED = re.compile(r"(loss|steps|step|seconds|time|size|exit)(<=|>=|!=|<|>|=)(.*)")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SPAN = re.compile(r"(\d+(?:\.\d*)?)\s*(s|m|min|h|d|w)?")
_SPAN_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_SIZE_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
KNOWN = "a state, a part of a name, tag:x, note:x, loss<0.1, steps>100, time>2h, size>1GiB, exit=1, older:7d, newer:12h"


@dataclass(frozen=True)
class Filter:
    """Which rows are meant. trouble: of the words that were left out, because they cannot be understood (yet)."""

    text: str = ""
    tests: tuple[Test, ...] = ()
    trouble: str = ""

    def takes(self, row: Row, now: float | None = None) -> bool:
        moment = time.time() if now is None else now
        return all(test(row, moment) for test in self.tests)

    @property
    def needs_size(self) -> bool:
        return "size" in self.text


def filter_of(text: str) -> Filter:
    """The filter of these words. A word that cannot be understood is left out and told in `trouble`: on the screen it
    may still be in the middle of being typed."""
    tests: list[Test] = []
    trouble = ""
    for word in text.split():
        try:
            tests.append(_test(word))
        except ValueError as error:
            trouble = trouble or str(error)
    return Filter(text, tuple(tests), trouble)


def strict_filter(text: str) -> Filter:
    """As `filter_of`; raises UserError for a word that cannot be understood."""
    made = filter_of(text)
    if made.trouble:
        raise UserError(f"--filter: {made.trouble}; there are {KNOWN}, and `-` in front turns a word around")
    return made


def _test(word: str) -> Test:
    if word.startswith("-") and len(word) > 1:
        inner = _test(word[1:])
        return lambda row, now: not inner(row, now)
    compared = _COMPARED.fullmatch(word.lower())
    if compared:
        return _comparison(*compared.groups())
    name, colon, value = word.partition(":")
    if colon and name.lower() in _NAMED:
        return _NAMED[name.lower()](value)
    return _part(word)


def _part(word: str) -> Test:
    """A state, or a part of a name."""
    low = word.lower()
    return lambda row, _now: low in row.name.lower() or low in row.state.lower().replace(",", "").split()


def _comparison(name: str, sign: str, text: str) -> Test:
    field = {"step": "steps", "time": "seconds", "exit": "exit_code"}.get(name, name)
    wanted = size_of(text) if field == "size" else seconds_of(text) if field == "seconds" else _number(text)
    holds = _SIGNS[sign]

    def test(row: Row, _now: float) -> bool:
        value = getattr(row, field)
        return value is not None and holds(value, wanted)

    return test


def _tag(value: str) -> Test:
    low = value.lower()
    return lambda row, _now: any(tag.lower() == low for tag in row.tags) if low else bool(row.tags)


def _note(value: str) -> Test:
    low = value.lower()
    return lambda row, _now: low in row.note.lower() if low else bool(row.note)


def _older(value: str) -> Test:
    age = seconds_of(value)
    return lambda row, now: row.ended is not None and now - row.ended > age


def _newer(value: str) -> Test:
    age = seconds_of(value)
    return lambda row, now: row.ended is None or now - row.ended <= age


def _state(value: str) -> Test:
    low = value.lower()
    return lambda row, _now: low in row.state.lower()


def _name(value: str) -> Test:
    low = value.lower()
    return lambda row, _now: low in row.name.lower()


_NAMED: Mapping[str, Callable[[str], Test]] = {
    "tag": _tag, "note": _note, "older": _older, "newer": _newer, "state": _state, "name": _name,
}  # fmt: skip


def seconds_of(text: str) -> float:
    """A span of time in seconds: 7d, 12h, 30min, 90s, 2w. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no span of time: write 7d, 12h, 30min, 90s or 2w")
    return float(found.group(1)) * _SPAN_SECONDS[found.group(2) or ""]


def size_of(text: str) -> float:
    """Bytes: 500M, 1GiB, 2G, 100k; always powers of 1,024. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size: write 500M or 1GiB")
    return float(found.group(1)) * 1024.0 ** _SIZE_POWER[found.group(2).lower()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number: write 0.1, 100 or 1e-3") from None
