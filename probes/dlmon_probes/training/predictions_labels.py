"""What a pass answered where each sample has several labels, each there or not."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.predictions_answers import Tally
from dlmon_probes.training.predictions_classes import reason_of, samples_of
from dlmon_probes.training.predictions_hardest import Hardest, wide
from dlmon_probes.training.predictions_pairs import Pair

COLUMNS = ("row", "confidence", "loss")
TOLD = 8  # wrong labels told of one sample, the most surely wrong ones
MOST_LABELS = 10_000


class LabelCounts:
    """Adds up batches of LABELS: outputs N×L (logits), targets N×L."""

    def __init__(self, pair: Pair) -> None:
        torch = tensors.torch_module()
        device = pair.outputs.device
        self.task = pair.task
        self.classes = int(pair.outputs.shape[1])
        self._tally = Tally(device)
        kind = wide(device)
        self._counts = torch.zeros(self.classes, 4, dtype=kind, device=device)
        self._sums = torch.zeros(4, dtype=kind, device=device)  # samples, all right, targets that are not 0 or 1, loss
        self._wrong, self._unsure = Hardest(), Hardest()

    def fits(self, pair: Pair) -> bool:
        return pair.task == self.task and int(pair.outputs.shape[1]) == self.classes

    def add(self, pair: Pair, first: int, stride: int, start: int) -> int:
        torch = tensors.torch_module()
        logits, target = pair.outputs[start::stride].detach().float(), pair.targets[start::stride].detach().float()
        there, said = target > 0.5, logits > 0
        code = 2 * there.long() + said.long()
        kind, device = self._counts.dtype, self._counts.device
        counts = torch.stack([(code == k).sum(0) for k in range(4)], dim=1)
        self._counts += counts.to(device=device, dtype=kind, non_blocking=True)
        p = torch.sigmoid(logits)
        confidence = torch.where(said, p, 1 - p)
        right = there == said
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)
        all_right = right.all(1)
        odd = ((target != 0) & (target != 1)).sum()
        sums = torch.stack([torch.ones_like(all_right).sum(), all_right.sum(), odd, loss.sum()])
        self._sums += sums.to(device=device, dtype=kind, non_blocking=True)
        self._tally.add_bins(confidence.reshape(-1), right.reshape(-1), torch.ones_like(right).reshape(-1))
        self._note_hardest(confidence, right, there, loss, first, stride, start)
        return int(logits.shape[0])

    def _note_hardest(
        self, confidence: Any, right: Any, there: Any, loss: Any, first: int, stride: int, start: int
    ) -> None:
        torch = tensors.torch_module()
        none, device = float("-inf"), confidence.device
        label = torch.arange(self.classes, device=device)
        code = torch.where(there, label, -label - 1)
        mistakes = torch.where(right, none, confidence).topk(min(TOLD, self.classes), dim=1)
        codes = torch.where(mistakes.values > none, code.gather(1, mistakes.indices), float("nan"))
        row = first + torch.arange(start, start + stride * int(confidence.shape[0]), stride, device=device)
        worst, least = mistakes.values[:, 0], confidence.amin(1)
        self._wrong.add(worst, [row, worst, loss, *codes.unbind(1)])
        self._unsure.add(torch.where(right.all(1), -least, none), [row, least, loss])

    def vectors(self, _most: int) -> list[Any]:
        bins = self._tally.vectors()[1]
        return [self._sums, self._counts.reshape(-1), bins, self._wrong.vector, self._unsure.vector]

    def read(self, values: list[Optional[list[float]]], certain: bool) -> dict[str, Any]:
        sums, counts, bins, wrong, unsure = values
        if not sums or not counts or not sums[0]:
            return {"reason": "no targets were seen"}
        why = reason_of([0.0, sums[2]], certain, self.classes)
        if why:
            return {"reason": why}
        told = min(TOLD, self.classes)
        found = []
        for row in Hardest.read(wrong, len(COLUMNS) + told):
            labels = [int(code) for code in row[len(COLUMNS) :] if code == code]
            found.append({**dict(zip(COLUMNS, [int(row[0]), *row[1:]])), "wrong": labels})
        return {
            "classes": self.classes, "right": sums[1] / sums[0], "confidence_bins": Tally.bins_of(bins),
            "confusion": [[i // 4, i % 4, int(n)] for i, n in enumerate(counts) if n],
            "wrong": found, "unsure": samples_of(unsure, COLUMNS),
        }  # fmt: skip
