"""Snapshots that no training would give: any value that the types of the log allow, and events in wrong places."""

from __future__ import annotations

import dataclasses
import typing
from random import Random
from typing import Any

from hypothesis import strategies as st

from dlmon.state.snapshot import (
    EvaluationView,
    MachineView,
    Points,
    RankFacts,
    RunSnapshot,
    SeriesView,
)
from dlmon_probes import events
from dlmon_probes.kinds import KINDS

ODD_NUMBERS = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 0.5, 1e-8, 3.0]
ODD_WHOLE = [0, 1, 2, 3, 5, 20, 64, 100, 512, -1, -(1 << 63), 1 << 63]
WORDS = [
    "", "loss", "0", "1", "-1", "fc1.weight", "a.b.c.d", "NllLossBackward0", "LogSoftmaxBackward0", "MseLossBackward0",
    "BinaryCrossEntropyWithLogitsBackward0", "ReluBackward0", "AccumulateGrad", "SoftmaxBackward0", "AddmmBackward0",
    "NegBackward0", "MulBackward0", "backward", "step", "zero_grad", "clip", "unscale", "float32", "int64", "SGD",
    "Adam", "SequentialSampler", "StepLR", "OneCycleLR", "ReduceLROnPlateau", "Dropout",
    "BatchNorm2d", "\x1b[31m", "é" * 3,
    "mat1 and mat2 shapes cannot be multiplied (32x400 and 512x10)", "CUDA out of memory. Tried to allocate nan GiB",
]  # fmt: skip
KEYS = [
    "lr",
    "momentum",
    "T_max",
    "step_size",
    "mode",
    "dim",
    "self",
    "target",
    "p",
    "gradient_to",
    "result",
    "0",
    "1",
    "x",
]

numbers = st.sampled_from(ODD_NUMBERS)
whole = st.sampled_from(ODD_WHOLE)
words = st.sampled_from(WORDS)
anything = st.one_of(
    st.none(), st.booleans(), whole, numbers, words, st.lists(st.one_of(whole, numbers, st.none()), max_size=4),
    st.dictionaries(words, whole, max_size=2),
)  # fmt: skip


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in an event's or a view's field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return of_class(typing.cast(type, hint))
    if hint is float:
        return numbers
    if hint is int:
        return whole
    if hint is str:
        return words
    if hint is bool:
        return st.booleans()
    if hint is type(None):
        return st.none()
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return st.one_of([of_type(one) for one in arguments])
    if origin in (dict,) or getattr(origin, "__name__", "") == "Mapping":
        keys = st.one_of(words, st.sampled_from(KEYS)) if arguments[0] is str else of_type(arguments[0])
        return st.dictionaries(keys, of_type(arguments[1]), max_size=3)
    if origin is tuple:
        return st.tuples(*[of_type(one) for one in arguments])
    if origin is list or getattr(origin, "__name__", "") == "Sequence":
        return st.lists(of_type(arguments[0]), max_size=4)
    return anything


_classes: dict[type, st.SearchStrategy[Any]] = {}


def of_class(cls: type) -> st.SearchStrategy[Any]:
    """Instances of a dataclass with values of its fields' types, whether they fit each other or not."""
    if cls not in _classes:
        _classes[cls] = st.deferred(lambda: _built(cls))
    return _classes[cls]


def _built(cls: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{field.name: of_type(hints[field.name]) for field in dataclasses.fields(cls)})


def rows(cls: type, most: int = 4) -> st.SearchStrategy[list[Any]]:
    return st.lists(of_class(cls), max_size=most)


def further(junk: bool) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Further events by kind; with junk, also things that are of another type."""
    kept = {kind: cls for kind, cls in KINDS.items() if cls.__module__ != events.__name__}
    entries = {
        kind: st.lists(st.one_of(of_class(cls), anything) if junk else of_class(cls), max_size=4)
        for kind, cls in kept.items()
    }
    return st.fixed_dictionaries({}, optional=entries)


def facts(junk: bool = False) -> st.SearchStrategy[RankFacts]:
    hints = typing.get_type_hints(RankFacts)
    fields = {field.name: of_type(hints[field.name]) for field in dataclasses.fields(RankFacts)}
    indices = st.sampled_from([0, 1, 2])
    fields.update(
        series=st.dictionaries(indices, of_class(events.Series), max_size=2),
        loaders=st.dictionaries(indices, of_class(events.Loader), max_size=2),
        rows=st.dictionaries(
            st.sampled_from(["dt", "wait", "lr", "micro"]), st.lists(st.one_of(st.none(), numbers), max_size=8)
        ),
        further=further(junk),
    )
    return st.builds(RankFacts, **fields)


def views() -> st.SearchStrategy[list[SeriesView]]:
    pairs = st.lists(st.tuples(whole, numbers), max_size=8)
    lists = st.lists(numbers, max_size=6)
    points = st.builds(
        Points, step=st.lists(whole, max_size=6), low=lists, high=lists, mean=lists, last=lists,
        nonfinite=st.lists(whole, max_size=3),
    )  # fmt: skip
    line = st.builds(
        SeriesView, name=words, source=st.sampled_from(["loss", "evaluation", "wandb"]), points=points, first=pairs,
        recent=pairs, last=st.one_of(st.none(), numbers), count=whole, smoothed=lists,
    )  # fmt: skip
    return st.lists(line, max_size=3)


def snapshots(junk: bool = False) -> st.SearchStrategy[RunSnapshot]:
    return st.builds(
        RunSnapshot,
        name=words,
        folder=words,
        command=st.just(()),
        state=st.sampled_from(["training", "finished", "failed", "stopped", "lost", "stalled", "starting"]),
        detail=words,
        now=numbers,
        elapsed=numbers,
        step=st.sampled_from([0, 1, 20, 99, 400, 10_000]),
        signal=st.sampled_from(["", "SIGKILL", "SIGHUP", "SIGBUS"]),
        exit_code=st.one_of(st.none(), whole),
        series=views(),
        machine=of_type(MachineView),
        evaluations=st.lists(of_class(EvaluationView), max_size=5),
        facts=st.dictionaries(st.sampled_from([0, 1]), facts(junk), max_size=2),
    )


def mutated(value: Any, chance: Random, rate: float) -> Any:
    """A copy of a state with some numbers made odd and some lists shortened, emptied, repeated or turned round."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: mutated(getattr(value, field.name), chance, rate) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if isinstance(value, dict):
        return {key: mutated(item, chance, rate) for key, item in value.items() if chance.random() > rate / 2}
    if type(value) is tuple and len(value) == 2 and all(isinstance(item, (int, float)) for item in value):
        return tuple(mutated(item, chance, rate) for item in value)  # a point of a series
    if isinstance(value, (list, tuple)):
        items = [mutated(item, chance, rate) for item in value]
        if chance.random() < rate:
            items = chance.choice([items[:-1], items[1:], items[:1], items * 2, [], items[::-1]])
        return type(value)(items) if type(value) in (list, tuple) else items
    if chance.random() >= rate or value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return chance.choice(ODD_NUMBERS)
    return chance.choice(ODD_WHOLE) if isinstance(value, int) else value
