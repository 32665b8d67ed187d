"""The kinds of values that an expression may have, as far as the text tells."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from dlmon.review.source import Class, Function, Source


@dataclass(frozen=True)
class Library:
    """A library's object itself: torch.nn.Linear."""

    name: str


@dataclass(frozen=True)
class Made:
    """What a library's function or class gave back."""

    name: str
    call: ast.Call
    source: Source


@dataclass(frozen=True)
class Object:
    """An object of a class of the project. call: where it was made; None for `self`."""

    cls: Class
    call: ast.Call | None = None


@dataclass(frozen=True)
class Klass:
    cls: Class


@dataclass(frozen=True)
class Routine:
    """A function of the project. me: what it is bound to."""

    function: Function
    me: Object | None = None


@dataclass(frozen=True)
class Written:
    """A constant, list, tuple, dict or other expression as it stands in the text."""

    node: ast.expr
    source: Source


@dataclass(frozen=True)
class Unknown:
    """Something that the text does not tell."""


UNKNOWN = Unknown()
Value = Library | Made | Object | Klass | Routine | Written | Unknown
Values = tuple[Value, ...]
