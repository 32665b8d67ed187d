"""The evaluation passes of a process by what they were for, and of one training among several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from dlmon.report.evidence import Process, Training
from dlmon.state.evaluation_names import TEST, TRAIN, VALIDATION, PassName
from dlmon_probes import events


@dataclass(frozen=True)
class Group:
    """The passes of one name (see state.evaluation_names), in order. role: validation, test or train."""

    name: PassName
    passes: Sequence[events.Evaluation]

    @property
    def role(self) -> str:
        return self.name.role

    @property
    def label(self) -> str:
        return self.name.label

    @property
    def said(self) -> str:
        """How the script calls it, "" where it does not."""
        return self.name.said

    @property
    def best(self) -> events.Evaluation | None:
        """The pass with the lowest loss, of equals the first; where none has a loss, with the highest accuracy.

        One from before the first step only where there is no other.
        """
        trained = [one for one in self.passes if one.step] or self.passes
        known = [one for one in trained if one.loss is not None and one.loss == one.loss]
        if known:
            return min(known, key=lambda one: one.loss if one.loss is not None else 0.0)
        right = [one for one in trained if one.accuracy is not None and one.accuracy == one.accuracy]
        return max(right, key=lambda one: one.accuracy or 0.0, default=None)


def groups(process: Process, training: Training | None = None) -> tuple[Group, ...]:
    """All passes by name, or those of one training; those for validation first, the most frequent first."""
    passes: dict[str, list[events.Evaluation]] = {}
    names: dict[str, PassName] = {}
    for one in process.evaluations if training is None else of_training(process, training):
        name = process.names.get((one.loader, one.name)) or PassName(one.name or "val", VALIDATION, one.name)
        names.setdefault(name.label, name)
        passes.setdefault(name.label, []).append(one)
    found = [Group(names[label], tuple(several)) for label, several in passes.items()]
    found.sort(key=lambda group: (_ORDER[group.role], -len(group.passes)))
    return tuple(found)


_ORDER = {VALIDATION: 0, TEST: 1, TRAIN: 2}


def of_training(process: Process, training: Training) -> Iterator[events.Evaluation]:
    """The passes of a training's models; where the log does not say of which model a pass was, those between the
    training's first and last step. Those before the first step of all are the first training's."""
    start = -1 if training is first(process) else training.first
    told = {place for one in process.trainings for place in one.models}
    for one, place in zip_longest(process.evaluations, process.evaluated[: len(process.evaluations)]):
        own = place in training.models if place in told else start < one.step <= training.end
        if own:
            yield one


def first(process: Process) -> Training | None:
    return process.trainings[0] if process.trainings else None


def validation(process: Process, training: Training | None = None) -> Group | None:
    """The passes that the training log shows: those for validation, or else those that came most often."""
    found = groups(process, training)
    among = [group for group in found if group.role == VALIDATION]
    others = [group for group in found if group.role == TEST]
    return next(iter(among or sorted(others, key=lambda group: -len(group.passes))), None)


def test(process: Process, training: Training | None = None) -> Group | None:
    """The passes over a test set, where they are not already the validation's."""
    chosen = validation(process, training)
    tests = [group for group in groups(process, training) if group.role == TEST]
    return next((group for group in tests if chosen is None or group.label != chosen.label), None)


def on_training_data(process: Process, training: Training | None = None) -> Group | None:
    """Evaluation passes over the training set."""
    return next((group for group in groups(process, training) if group.role == TRAIN), None)


def best_training(process: Process) -> tuple[Training | None, Group | None]:
    """The training with the lowest validation loss, and its passes; of equals the first. Where a training has no
    loss, the one with the highest accuracy: the two cannot be ranked among each other."""
    if len(process.trainings) < 2:
        return first(process), validation(process)
    found = [(one, group) for one in process.trainings if (group := validation(process, one)) and group.best]
    if not found:
        return first(process), validation(process)
    lost = any(_lowest_loss(group) is None for _, group in found)
    return min(found, key=lambda row: -_highest(row[1]) if lost else _lowest_loss(row[1]) or 0.0)


def _lowest_loss(group: Group) -> float | None:
    return group.best.loss if group.best is not None else None


def _highest(group: Group) -> float:
    return max((one.accuracy for one in group.passes if one.accuracy is not None), default=0.0)
