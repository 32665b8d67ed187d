"""The one name of each evaluation pass: `val`, `test`, `train set`, or what the script calls its loader.

Screen, report, comparison, conditions and export all take it from here, so that one pass is called the same everywhere:
its series are `val loss` and `val accuracy`, its columns `val_loss` and `val_accuracy`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlmon_probes import events

if TYPE_CHECKING:
    import ast

# What a pass is for, as far as its name or its loader's name tells.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
MOST_PASSES = 256  # that are told apart: a log is untrusted

_WORDS = (
    (VALIDATION, re.compile(r"(^|[^a-z])(val|valid|validation|dev|eval|evaluation)([^a-z]|$)")),
    (TEST, re.compile(r"(^|[^a-z])(test|tests|testing|holdout)([^a-z]|$)")),
    (TRAIN, re.compile(r"(^|[^a-z])(train|training)([^a-z]|$)")),
)
_SHORT = {VALIDATION: "val", TEST: "test", TRAIN: "train set"}  # "train loss" is the loss of the training steps
_ASSIGNED = re.compile(r"^\s*([A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)*)\s*(?::[^=]+)?=(?!=)")


@dataclass(frozen=True)
class PassName:
    """label: what the pass is called everywhere. role: what it is for, VALIDATION where its name does not tell. said:
    how the script calls it or its loader, "" where it does not."""

    label: str
    role: str
    said: str = ""

    @property
    def column(self) -> str:
        """The label without spaces, for columns of a table."""
        return self.label.replace(" ", "_")


class PassNames:
    """Names in the order in which the passes come. A name that was given stays."""

    def __init__(self) -> None:
        self._loaders: dict[
            int, tuple[str, tuple[object, ...] | None]
        ] = {}  # its variable, and what makes two the same
        self._names: dict[tuple[int, str], PassName] = {}
        self._known: dict[object, PassName] = {}  # by what makes two loaders the same
        self._last: dict[str, int] = {}  # step of the last pass, by label
        self._taken: set[str] = set()

    def loader(self, event: events.Loader) -> None:
        """A loader, before the passes over it."""
        if event.loader in self._loaders or len(self._loaders) < MOST_PASSES:
            self._loaders[event.loader] = loader_name(event), _same(event)

    def of(self, event: events.Evaluation) -> PassName:
        """The name of a pass; of another pass over the same loader under the same name the same one.

        A loader that is made anew for the same purpose (for each training of a sweep, in each epoch) keeps the name:
        the same line made it, of a data set of the same class and size, under a name that tells what it is for.
        """
        key = event.loader, event.name
        found = self._names.get(key)
        if found is None:
            found = self._new(event)
            if len(self._names) < MOST_PASSES:
                self._names[key] = found
        self._last[found.label] = event.step
        return found

    def _new(self, event: events.Evaluation) -> PassName:
        variable, same = self._loaders.get(event.loader, ("", None))
        said = event.name or variable
        role = role_of(said)
        again = (same, said) if role is not None and same is not None else None
        before = self._known.get(again) if again is not None else None
        if before is not None and self._last.get(before.label) != event.step:  # at the same step: two sets
            return before
        name = PassName(self._label(role or VALIDATION, said, event.loader), role or VALIDATION, said)
        if again is not None and before is None and len(self._known) < MOST_PASSES:
            self._known[again] = name
        return name

    def _label(self, role: str, said: str, loader: int) -> str:
        short = _SHORT[role]
        wanted = [short, said if said != TRAIN else short, f"loader {loader}" if loader >= 0 and not said else ""]
        wanted += [f"{said or short} {number}" for number in range(2, MOST_PASSES + 2)]
        label = next((one for one in wanted if one and one not in self._taken), short)
        self._taken.add(label)
        return label


def role_of(said: str) -> str | None:
    """What a name stands for; None where it does not tell."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", said).lower()
    return next((role for role, pattern in _WORDS if pattern.search(words)), None)


def loader_name(loader: events.Loader | None) -> str:
    """The variable that a loader was assigned to where it was made: `val_loader`; "" where the line does not say, as
    where it makes several."""
    if loader is None or loader.where is None:
        return ""
    line = loader.where.text
    found = _ASSIGNED.match(_statement(line))
    names = [name.strip().rpartition(".")[2] for name in found.group(1).split(",")] if found else []
    return names[0] if len(names) == 1 else ""


def _statement(line: str) -> str:
    """The statement of a line that makes the loader: of several the only one that calls something of a loader's name,
    "" where several do or none."""
    import ast

    try:
        statements = ast.parse(line.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A statement that goes on in the next line; or several, of which none can be told.
        return "" if ";" in line or line.lower().count("loader(") > 1 else line
    if len(statements) <= 1:
        return line
    made = [one for one in statements if _calls_loader(one)]
    return ast.unparse(made[0]) if len(made) == 1 else ""


def _calls_loader(statement: ast.stmt) -> bool:
    import ast

    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if "loader" in str(called).lower():
                return True
    return False


def _same(loader: events.Loader) -> tuple[object, ...] | None:
    """What two loaders have in common that were made for the same purpose; None where one line makes several."""
    if loader.where is None or not loader_name(loader) or loader.where.text.lower().count("loader(") > 1:
        return None
    return loader.where.file, loader.where.line, loader.dataset, loader.samples
