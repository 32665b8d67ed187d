"""What class outputs say, row by row, and what is counted of it: pure reductions on the device, no synchronisation."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.predictions_hardest import wide

MOST_CLASSES = 1_000  # up to here a table of all pairs is kept: 8 MB
TOPS = (1, 3, 5)
BINS = 10
PLAIN_CELLS = 10_000  # a table up to this size is read whole, of a larger one the largest cells


class Answers(NamedTuple):
    """N rows: counted is false where the target is to be ignored; actual is 0 there."""

    actual: Any
    predicted: Any
    confidence: Any  # probability of what was predicted
    actual_probability: Any
    loss: Any  # natural logarithm
    counted: Any
    right: Any
    ahead: Any  # classes that were thought more likely than the actual one


def answers_of(logits: Any, labels: Any, ignored: int) -> Answers:
    """logits: N×C (logarithms of probabilities are logits, too); labels: N whole numbers; those outside of 0 … C − 1
    and `ignored` are not counted."""
    torch = tensors.torch_module()
    logp = torch.log_softmax(logits.detach().float(), dim=1)
    labels = labels.detach().long()
    counted = (labels >= 0) & (labels < logp.shape[1]) & (labels != ignored)
    actual = torch.where(counted, labels, 0)
    best, predicted = logp.max(dim=1)
    own = logp.gather(1, actual.unsqueeze(1))
    ahead = (logp > own).sum(dim=1)
    own = own.squeeze(1)
    right = (predicted == actual) & counted
    return Answers(actual, predicted, best.exp(), own.exp(), -own, counted, right, ahead)


class Tally:
    """Rows counted, right ones, sum of losses, those with the actual class among the first k; calibration bins."""

    def __init__(self, device: Any) -> None:
        torch = tensors.torch_module()
        self.sums = torch.zeros(3 + len(TOPS), dtype=wide(device), device=device)
        self.bins = torch.zeros(BINS + 1, 3, dtype=wide(device), device=device)  # the last row: not counted

    def add(self, a: Answers) -> None:
        torch = tensors.torch_module()
        kind, device = self.sums.dtype, self.sums.device
        among = [(a.ahead < k) & a.counted for k in TOPS]
        sums = [a.counted.sum(), a.right.sum(), torch.where(a.counted, a.loss, 0.0).sum(), *(x.sum() for x in among)]
        self.sums += torch.stack([x.to(kind) for x in sums]).to(device, non_blocking=True)
        self.add_bins(a.confidence, a.right, a.counted)

    def add_bins(self, confidence: Any, right: Any, counted: Any) -> None:
        torch = tensors.torch_module()
        place = (confidence.nan_to_num(0.0) * BINS).long().clamp(0, BINS - 1)
        rows = torch.stack([torch.ones_like(confidence), right.to(confidence.dtype), confidence], dim=1)
        place = torch.where(counted, place, BINS)
        kind, device = self.bins.dtype, self.bins.device
        self.bins.index_add_(0, place.to(device, non_blocking=True), rows.to(device=device, dtype=kind))

    def vectors(self) -> list[Any]:
        return [self.sums, self.bins[:BINS].reshape(-1)]

    @staticmethod
    def bins_of(values: Optional[list[float]]) -> list[list[float]]:
        """[count, right, sum of confidence] for each bin."""
        return [[int(row[0]), int(row[1]), row[2]] for row in _rows(values or [], 3)]


class Confusion:
    """How often each class was taken for each other: C × C whole numbers on the device."""

    def __init__(self, classes: int, device: Any) -> None:
        self.classes = classes
        size = classes * classes + 1  # the last one: rows that are not counted
        self.cells = tensors.torch_module().zeros(size, dtype=tensors.torch_module().int64, device=device)

    def add(self, actual: Any, predicted: Any, counted: Any) -> None:
        torch = tensors.torch_module()
        size = self.cells.numel()
        place = torch.where(counted, actual * self.classes + predicted, size - 1).reshape(-1)
        place = place.to(self.cells.device, non_blocking=True)
        if place.device.type == "cpu" and 4 * place.numel() > size:
            self.cells += torch.bincount(place, minlength=size)
        else:  # bincount waits for a GPU
            self.cells.index_add_(0, place, torch.ones_like(place))

    def vectors(self, most: int) -> list[Any]:
        """Counts and places of the largest cells, and how often each class was actual and predicted."""
        torch = tensors.torch_module()
        cells = self.cells[:-1]
        square = cells.view(self.classes, self.classes)
        places = torch.arange(cells.numel(), device=cells.device)
        if cells.numel() > min(most, PLAIN_CELLS):
            cells, places = cells.topk(min(most, cells.numel()))
        kind = wide(cells.device)
        return [vector.to(kind) for vector in (cells, places, square.sum(1), square.sum(0))]

    @staticmethod
    def read(values: list[Optional[list[float]]], classes: int) -> dict[str, Any]:
        """Fields of the event, cells in the order of their place. values: those of `vectors`."""
        counts, places, actual, predicted = [[int(x) for x in part or []] for part in values]
        cells = sorted([*divmod(place, classes), count] for place, count in zip(places, counts) if count)
        cut = sum(actual) - sum(count for _, _, count in cells)
        found: dict[str, Any] = {"confusion": cells, "cut": cut}
        if cut:
            found.update(actual_counts=actual, predicted_counts=predicted)
        return found


def _rows(values: list[float], width: int) -> list[list[float]]:
    return [values[i : i + width] for i in range(0, len(values), width)]
