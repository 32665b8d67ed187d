"""Kinds of lines in a run's log that speak of the data: samples, labels, what the loaders give.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from dlmon_probes.events import Number, TensorFacts, Where


@dataclass(frozen=True)
class LoaderRows:
    """What the batches of one loader had in them, added up since the run began; a later line replaces an earlier one.

    trained: a backward followed its batches. batches: looked at, out of `pulls`. Of these, same_batch were equal to
    the one before, and one_row had the same row throughout. rows, distinct: samples looked at and how many were
    different (64-bit hashes of at most 256 elements each; at most 16,384 kept). bits: entropy of a row's elements,
    added up as if they were independent. labels: class to count, where a batch has one whole number for each sample;
    changes of `neighbours` pairs within a pass had different labels. mean, std: by column of the input, at most 64
    evenly spaced ones. whole: how the labels (one float for each sample) of the first batch look when they are cut to
    whole numbers. shared: trained loader → how many of this loader's distinct rows were trained on before.
    """

    kind: ClassVar[str] = "loader_rows"
    t: float
    step: int
    loader: int
    trained: bool
    pulls: int
    batches: int
    rows: int
    distinct: int
    same_batch: int = 0
    one_row: int = 0
    bits: Number = None
    labels: dict[str, int] = field(default_factory=dict)
    label_path: str = ""
    one_class: int = 0
    neighbours: int = 0
    changes: int = 0
    input_path: str = ""
    mean: list[Number] = field(default_factory=list)
    std: list[Number] = field(default_factory=list)
    shared: dict[str, int] = field(default_factory=dict)
    copies: list[int] = field(default_factory=list)  # columns of the input that stand for the label one to one
    looked_for_copies: int = 0  # rows by which that was decided; 0: not looked


@dataclass(frozen=True)
class Truncated:
    """One float for each sample in a batch (min, max, mean, and the mean of what is left when they are cut to whole
    numbers), beside the step whose loss may have had it as target."""

    kind: ClassVar[str] = "truncated"
    t: float
    step: int
    loader: int
    path: str
    facts: TensorFacts
    cut_mean: Number = None
    cut_min: Number = None
    cut_max: Number = None


@dataclass(frozen=True)
class DatasetLabels:
    """The labels of a data set that is read in its own order, where it holds them as one array and the first batch
    agrees with it. rows: the first ones, at most 65,536. changes: neighbours with different labels."""

    kind: ClassVar[str] = "dataset_labels"
    t: float
    loader: int
    rows: int
    changes: int
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetChange:
    """A tensor or array that a data set holds, compared at the beginning of two passes (by at most 1,024 elements).

    changed: share of the elements that are different from the pass before. again: that changed now and then, too.
    """

    kind: ClassVar[str] = "dataset_change"
    t: float
    step: int
    loader: int
    number: int  # of the pass that begins, from 1
    path: str
    changed: float
    again: float
    mean: Number = None
    std: Number = None


@dataclass(frozen=True)
class WorkerRandom:
    """A source of random numbers that is the same in each worker of a loader.

    how: "generator" (`name` is an attribute of the data set that its __getitem__ draws from) or "seed" (a
    worker_init_fn that seeds without looking at the worker's number; `name` is its name).
    """

    kind: ClassVar[str] = "worker_random"
    t: float
    loader: int
    workers: int
    how: str
    name: str
    where: Optional[Where] = None


@dataclass(frozen=True)
class FirstInput:
    """What reached the first layer with weights in a training forward. layers: classes of the leaf modules that ran
    from it on, at most 8. mean, std: by channel (convolutions) or feature, at most 64. batch_first: of recurrent and
    attention layers. rows: samples of the step's batches."""

    kind: ClassVar[str] = "first_input"
    t: float
    step: int
    module: str
    cls: str
    facts: TensorFacts
    layers: list[str] = field(default_factory=list)
    mean: list[Number] = field(default_factory=list)
    std: list[Number] = field(default_factory=list)
    batch_first: Optional[bool] = None
    rows: Optional[int] = None


EVENTS: tuple[type[Any], ...] = (LoaderRows, Truncated, DatasetLabels, DatasetChange, WorkerRandom, FirstInput)
