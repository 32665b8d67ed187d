"""What a pass answered where each position of a picture has one class (segmentation)."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.predictions_answers import Confusion, Tally, answers_of
from dlmon_probes.training.predictions_classes import ClassTables, reason_of, samples_of
from dlmon_probes.training.predictions_pairs import Pair

COLUMNS = ("row", "error", "confidence", "loss", "actual", "predicted")
MOST_PAIRS = 1_000_000  # cells of the tables of one batch's samples, by which each one's most frequent mistake is found


class GridCounts(ClassTables):
    """Adds up batches of PIXELS: outputs N×C×M, targets N×M."""

    def add(self, pair: Pair, first: int, stride: int, start: int) -> int:
        """Of the positions of each sample, each stride-th from `start` on is looked at."""
        torch = tensors.torch_module()
        logits, labels = pair.outputs[:, :, start::stride], pair.targets[:, start::stride]
        count, positions = (int(size) for size in labels.shape)
        outside = ((labels < 0) | (labels >= self.classes)) & (labels != pair.ignored)
        between = (labels != 0) & (labels != 1) if pair.binary else outside & False
        self._odd += torch.stack([outside.sum(), between.sum()]).to(self._odd)
        found = answers_of(logits.movedim(1, -1).reshape(-1, self.classes), labels.reshape(-1), pair.ignored)
        self._tally.add(found)
        if self._confusion is not None:
            self._confusion.add(found.actual, found.predicted, found.counted)
        shape = (count, positions)
        counted = found.counted.view(shape)
        of = counted.sum(1).clamp(min=1)
        wrong = (counted & ~found.right.view(shape)).sum(1) / of
        sure = torch.where(counted, found.confidence.view(shape), 0.0).sum(1) / of
        loss = torch.where(counted, found.loss.view(shape), 0.0).sum(1) / of
        row = torch.arange(first, first + count, device=logits.device)
        columns = [row, wrong, sure, loss, *self._mistakes(found, count, positions)]
        none = float("-inf")
        self._wrong.add(torch.where(wrong > 0, wrong, none), columns)
        self._unsure.add(torch.where((wrong == 0) & counted.any(1), -sure, none), columns)
        return count

    def _mistakes(self, found: Any, count: int, positions: int) -> list[Any]:
        """(actual, predicted) that each sample got wrong most often; NaN without one, or where it is not found out."""
        torch = tensors.torch_module()
        size = self.classes * self.classes
        device = found.actual.device
        if count * size > MOST_PAIRS:
            unknown = torch.full((count,), float("nan"), device=device)
            return [unknown, unknown]
        sample = torch.arange(count, device=device).unsqueeze(1).expand(count, positions).reshape(-1)
        place = sample * size + found.actual * self.classes + found.predicted
        place = torch.where(found.counted & ~found.right, place, count * size)
        table = torch.zeros(count * size + 1, dtype=torch.int64, device=device)
        table.index_add_(0, place, torch.ones_like(place))
        most, pair = table[:-1].view(count, size).max(1)
        nan = float("nan")
        actual, predicted = pair.div(self.classes, rounding_mode="floor"), pair % self.classes
        return [torch.where(most > 0, actual, nan), torch.where(most > 0, predicted, nan)]

    def vectors(self, most: int) -> list[Any]:
        cells = self._confusion.vectors(most) if self._confusion is not None else [None] * 4
        return [self._odd, *self._tally.vectors(), self._wrong.vector, self._unsure.vector, *cells]

    def read(self, values: list[Optional[list[float]]], certain: bool) -> dict[str, Any]:
        odd, sums, bins, wrong, unsure, *cells = values
        why = reason_of(odd, certain, self.classes)
        if why or not sums or not sums[0]:
            return {"reason": why or "no target was a class that counts"}
        found: dict[str, Any] = {
            "classes": self.classes, "right": sums[1] / sums[0], "positions": int(sums[0]),
            "confidence_bins": Tally.bins_of(bins),
            "wrong": samples_of(wrong, COLUMNS), "unsure": samples_of(unsure, COLUMNS),
        }  # fmt: skip
        if self._confusion is not None:
            found.update(Confusion.read(cells, self.classes))
        return found
