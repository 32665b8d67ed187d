"""Kinds of lines in a run's log that speak of what a model answered in an evaluation pass.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from dlmon_probes.events import Number, Where

# What the targets of a pass are, as `Predictions.task`:
CLASSES = "classes"  # outputs (N, C), one class for each sample
LABELS = "labels"  # outputs (N, L), each label yes or no
PIXELS = "pixels"  # outputs (N, C, …), one class for each position
VALUES = "values"  # outputs and targets of one shape, real numbers
TOKENS = "tokens"  # outputs (N, T, V) or (N·T, V), a next token for each position


@dataclass(frozen=True)
class Sample:
    """One sample that was looked at more closely.

    row: its place in the pass, from 0. index: its index in the data set, where sampler and collation let it be known.
    actual, predicted: class for CLASSES, the mean for VALUES, most frequent wrong pair for PIXELS; else None.
    confidence: probability of what was predicted; actual_probability: of what is right. loss: its own share of the
    loss. For LABELS wrong lists the labels that are wrong (negative minus one: predicted but not there). position:
    place in the sequence for TOKENS, error: |prediction − target| (mean over the sample) for VALUES, share of wrong
    positions for PIXELS.
    """

    row: int
    index: Optional[int] = None
    actual: Number = None
    predicted: Number = None
    confidence: Number = None
    actual_probability: Number = None
    loss: Number = None
    error: Number = None
    position: Optional[int] = None
    wrong: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Predictions:
    """What the model answered in one evaluation pass (step, loader, name and root are those of its `evaluation` line).

    task: one of the words above; "" where outputs and targets could not be paired, and then `reason` says why not.
    samples: of the pass; looked_at: of them, how many the numbers rest on. positions: of PIXELS and TOKENS, counted.
    classes: width C (or L, V). class_names: where the data set says them (`classes`, `class_names`, …).
    confusion: [actual, predicted, count] for each cell that is not 0, at most 40,000 cells (the largest; `cut` counts
    what was left out); for LABELS [label, 0..3, count] with 0 true negative, 1 false positive, 2 false negative, 3
    true positive. right: share; top: k to share, for k in 1, 3, 5 below C. confidence_bins: 10 equal bins of the
    confidence as [count, right, sum of confidence] (calibration, Guo et al. 2017). quantiles: of prediction − target
    for VALUES, at 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1; mae, rmse, r2 over all elements. perplexity: exp of the mean
    loss over the counted positions. wrong: the samples whose answers are the most surely wrong, most wrong first;
    unsure: right ones with the least confidence, least first. At most 64 each.
    stride: of large outputs every so manyth row or position was looked at. actual_counts, predicted_counts: how often
    each class was actual and predicted, told where cells were cut off.
    """

    kind: ClassVar[str] = "answers"  # "predictions" are the spread of outputs, see events_model
    t: float
    step: int
    loader: int
    name: str = ""
    task: str = ""
    reason: str = ""
    samples: int = 0
    looked_at: int = 0
    positions: int = 0
    classes: Optional[int] = None
    class_names: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    cut: int = 0
    right: Number = None
    top: dict[str, Number] = field(default_factory=dict)
    confidence_bins: list[list[float]] = field(default_factory=list)
    quantiles: dict[str, Number] = field(default_factory=dict)
    mae: Number = None
    rmse: Number = None
    r2: Number = None
    perplexity: Number = None
    wrong: list[Sample] = field(default_factory=list)
    unsure: list[Sample] = field(default_factory=list)
    output_path: str = ""
    target_path: str = ""
    where: Optional[Where] = None
    stride: int = 1
    actual_counts: list[int] = field(default_factory=list)
    predicted_counts: list[int] = field(default_factory=list)
    root: Optional[int] = None


EVENTS: tuple[type[Any], ...] = (Predictions,)
