"""What a pass answered where each sample, or each position of a sequence, has one class."""

from __future__ import annotations

import math
from typing import Any, Optional

from dlmon_probes.events_predictions import CLASSES, TOKENS
from dlmon_probes.training import tensors
from dlmon_probes.training.predictions_answers import MOST_CLASSES, TOPS, Confusion, Tally, answers_of
from dlmon_probes.training.predictions_hardest import Hardest
from dlmon_probes.training.predictions_pairs import Pair

COLUMNS = ("row", "position", "actual", "predicted", "confidence", "actual_probability", "loss")
WHOLE = frozenset(COLUMNS[:4])


class ClassTables:
    """What is added up wherever an answer is one of C classes; everything stays on the device of the first batch."""

    def __init__(self, pair: Pair) -> None:
        device = pair.outputs.device
        self.task = pair.task
        self.classes = int(pair.outputs.shape[1])
        self._tally = Tally(device)
        self._confusion = Confusion(self.classes, device) if self.classes <= MOST_CLASSES else None
        self._wrong, self._unsure = Hardest(), Hardest()
        self._odd = tensors.torch_module().zeros(2, dtype=self._tally.sums.dtype, device=device)

    def fits(self, pair: Pair) -> bool:
        return pair.task == self.task and int(pair.outputs.shape[1]) == self.classes


class ClassCounts(ClassTables):
    """Adds up batches of CLASSES or TOKENS."""

    def add(self, pair: Pair, first: int, stride: int, start: int) -> int:
        """first: the row of the batch's first sample in the pass; of its N rows each stride-th from `start` on is
        looked at. Returns of how many samples."""
        torch = tensors.torch_module()
        logits, labels = pair.outputs[start::stride], pair.targets[start::stride]
        self._note_odd(labels, pair)
        found = answers_of(logits, labels, pair.ignored)
        self._tally.add(found)
        if self._confusion is not None:
            self._confusion.add(found.actual, found.predicted, found.counted)
        place = torch.arange(start, start + stride * int(labels.shape[0]), stride, device=logits.device)
        columns = [
            first + place.div(pair.width, rounding_mode="floor"), place % pair.width,
            found.actual, found.predicted, found.confidence, found.actual_probability, found.loss,
        ]  # fmt: skip
        sure = found.loss if self.task == TOKENS else found.confidence
        none = float("-inf")
        self._wrong.add(torch.where(found.counted & ~found.right, sure, none), columns)
        self._unsure.add(torch.where(found.right, -found.confidence, none), columns)
        return min(int(labels.shape[0]), pair.samples)

    def _note_odd(self, labels: Any, pair: Pair) -> None:
        """Targets that are no classes of these outputs, and those of yes-or-no answers that are neither 0 nor 1."""
        torch = tensors.torch_module()
        outside = ((labels < 0) | (labels >= self.classes)) & (labels != pair.ignored)
        between = (labels != 0) & (labels != 1) if pair.binary else outside & False
        self._odd += torch.stack([outside.sum(), between.sum()]).to(self._odd)

    def _samples(self, values: Optional[list[float]]) -> list[dict[str, Any]]:
        found = samples_of(values, COLUMNS)
        if self.task == CLASSES:
            for sample in found:
                sample.pop("position", None)
        return found

    def vectors(self, most: int) -> list[Any]:
        cells = self._confusion.vectors(most) if self._confusion is not None else [None] * 4
        return [self._odd, *self._tally.vectors(), self._wrong.vector, self._unsure.vector, *cells]

    def read(self, values: list[Optional[list[float]]], certain: bool) -> dict[str, Any]:
        """Fields of the event; {"reason": …} where these were no classes. values: those of `vectors`."""
        odd, sums, bins, wrong, unsure, *cells = values
        why = reason_of(odd, certain, self.classes)
        if why or not sums or not sums[0]:
            return {"reason": why or "no target was a class that counts"}
        counted = sums[0]
        found: dict[str, Any] = {
            "classes": self.classes, "right": sums[1] / counted, "confidence_bins": Tally.bins_of(bins),
            "top": {str(k): among / counted for k, among in zip(TOPS, sums[3:]) if k < self.classes},
            "wrong": self._samples(wrong),
            "unsure": self._samples(unsure),
        }  # fmt: skip
        if self._confusion is not None:
            found.update(Confusion.read(cells, self.classes))
        if self.task == TOKENS:
            loss = sums[2] / counted
            found.update(perplexity=math.exp(loss) if loss < 700 else math.inf, positions=int(counted))
        return found


def reason_of(odd: Optional[list[float]], certain: bool, classes: int) -> str:
    outside, between = odd or (0.0, 0.0)
    if between:
        return "the targets of the yes-or-no loss are not all 0 or 1"
    if outside and not certain:
        return f"what looked like targets goes beyond the {classes} outputs: {outside:.0f} of them"
    return ""


def samples_of(
    values: Optional[list[float]], columns: tuple[str, ...], whole: frozenset[str] = WHOLE
) -> list[dict[str, Any]]:
    """Rows of a Hardest as fields of `events_predictions.Sample`, the surest first. whole: columns of whole numbers;
    NaN in one of them means that there is none."""
    found = []
    for row in Hardest.read(values, len(columns)):
        sample: dict[str, Any] = dict(zip(columns, row))
        for name in whole & sample.keys():
            if sample[name] == sample[name]:
                sample[name] = int(sample[name])
            else:
                del sample[name]
        found.append(sample)
    return found
