"""What each evaluation pass was for: told from its name, from the variable that its loader was made as, or from how
often it came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dlmon.report.evidence import TEST, TRAIN, VALIDATION, Process
from dlmon_probes import events

_WORDS = (
    (VALIDATION, re.compile(r"(^|[^a-z])(val|valid|validation|dev|eval|evaluation)([^a-z]|$)")),
    (TEST, re.compile(r"(^|[^a-z])(test|tests|testing|holdout)([^a-z]|$)")),
    (TRAIN, re.compile(r"(^|[^a-z])(train|training)([^a-z]|$)")),
)
_ASSIGNED = re.compile(r"^\s*([A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)*)\s*(?::[^=]+)?=(?!=)")


@dataclass(frozen=True)
class Group:
    """The passes over one loader under one name, in order. role: validation, test or train."""

    loader: int
    name: str
    role: str
    said: str  # how the script calls it, "" where it does not
    passes: Sequence[events.Evaluation]

    @property
    def best(self) -> events.Evaluation | None:
        """The pass with the lowest loss, of equals the first; where none has a loss, with the highest accuracy.

        One from before the first step only where there is no other.
        """
        trained = [one for one in self.passes if one.step] or self.passes
        known = [one for one in trained if one.loss is not None and one.loss == one.loss]
        if known:
            return min(known, key=lambda one: one.loss if one.loss is not None else 0.0)
        right = [one for one in trained if one.accuracy is not None]
        return max(right, key=lambda one: one.accuracy or 0.0, default=None)


def groups(process: Process) -> tuple[Group, ...]:
    """All passes by loader and name; those for validation first, the most frequent first."""
    passes: dict[tuple[int, str], list[events.Evaluation]] = {}
    for one in process.evaluations:
        passes.setdefault((one.loader, one.name), []).append(one)
    found = [_group(process, loader, name, several) for (loader, name), several in passes.items()]
    found.sort(key=lambda group: (_ORDER[group.role], -len(group.passes), group.loader, group.name))
    return tuple(found)


_ORDER = {VALIDATION: 0, TEST: 1, TRAIN: 2}


def _group(process: Process, loader: int, name: str, passes: Sequence[events.Evaluation]) -> Group:
    said = name or loader_name(process.loaders.get(loader))
    role = role_of(said)
    if role is None:
        role = VALIDATION
    return Group(loader, name, role, said, tuple(passes))


def role_of(said: str) -> str | None:
    """What a name stands for; None where it does not tell."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", said).lower()
    return next((role for role, pattern in _WORDS if pattern.search(words)), None)


def loader_name(loader: events.Loader | None) -> str:
    """The variable that a loader was assigned to where it was made: `val_loader`; "" where the line does not say."""
    if loader is None or loader.where is None:
        return ""
    found = _ASSIGNED.match(loader.where.text)
    names = [name.strip().rpartition(".")[2] for name in found.group(1).split(",")] if found else []
    return names[0] if len(names) == 1 else ""


def validation(process: Process) -> Group | None:
    """The passes that the training log shows: those for validation, or else those that came most often."""
    among = [group for group in groups(process) if group.role == VALIDATION]
    others = [group for group in groups(process) if group.role == TEST]
    return next(iter(among or sorted(others, key=lambda group: -len(group.passes))), None)


def test(process: Process) -> Group | None:
    """The passes over a test set, where they are not already the validation's."""
    chosen = validation(process)
    tests = [group for group in groups(process) if group.role == TEST]
    return next((group for group in tests if chosen is None or _key(group) != _key(chosen)), None)


def _key(group: Group) -> tuple[int, str]:
    return group.loader, group.name


def on_training_data(process: Process) -> Group | None:
    """Evaluation passes over the training set."""
    return next((group for group in groups(process) if group.role == TRAIN), None)
