"""What a pass answered where outputs and targets are real numbers."""

from __future__ import annotations

import math
from typing import Any, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.predictions_classes import samples_of
from dlmon_probes.training.predictions_hardest import Hardest, wide
from dlmon_probes.training.predictions_pairs import Pair

COLUMNS = ("row", "error", "actual", "predicted")
AT = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
ROOM = 65_536  # residuals kept for the quantiles: all as long as they fit, then each 2nd, 4th, …


class Residuals:
    """An even sample of a stream of numbers, without drawing random numbers: what is kept is known from counts alone,
    so no device is waited for."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._kept = 0
        self._every = 1
        self._seen = 0  # of the stream, to go on in step

    def add(self, numbers: Any) -> None:
        """numbers: 1-D."""
        if self._every > 1:
            start = -self._seen % self._every
            self._seen += int(numbers.numel())
            numbers = numbers[start :: self._every].clone()  # a view would keep all of them
        else:
            self._seen += int(numbers.numel())
        self._put(numbers)
        while self._kept > ROOM:
            joined = self.joined()
            self._parts, self._kept, self._every = [], 0, 2 * self._every
            self._put(joined[::2].clone())

    def _put(self, numbers: Any) -> None:
        if numbers.numel():
            self._parts.append(numbers)
            self._kept += int(numbers.numel())
        if len(self._parts) > 64:
            self._parts = [self.joined()]

    def joined(self) -> Any:
        torch = tensors.torch_module()
        device = self._parts[0].device
        return torch.cat([part.to(device, non_blocking=True) for part in self._parts])

    def vector(self) -> Any:
        """The numbers at the shares `AT` of the sorted sample, between neighbours by their distance."""
        torch = tensors.torch_module()
        if not self._parts:
            return None
        ordered = self.joined().sort().values
        last = ordered.numel() - 1
        found = []
        for share in AT:
            low = math.floor(share * last)
            part = share * last - low
            found.append(ordered[low] * (1 - part) + ordered[min(low + 1, last)] * part if part else ordered[low])
        return torch.stack(found)


class ValueCounts:
    """Adds up batches of VALUES: outputs N×E, targets N×E."""

    classes = None

    def __init__(self, pair: Pair) -> None:
        torch = tensors.torch_module()
        device = pair.outputs.device
        self.task = pair.task
        self._kind = wide(device)
        self._sums = torch.zeros(5, dtype=self._kind, device=device)  # n, |r|, r², t, t²; t from `_origin`
        self._origin: Any = None
        self._ends: Any = None
        self._residuals = Residuals()
        self._wrong = Hardest()

    def fits(self, pair: Pair) -> bool:
        return pair.task == self.task

    def add(self, pair: Pair, first: int, stride: int, start: int) -> int:
        """Of the elements of each sample, each stride-th is looked at; of samples with few, each stride-th sample."""
        torch = tensors.torch_module()
        output, target = pair.outputs, pair.targets
        across = int(target.shape[1]) >= stride
        cut = (
            (slice(None), slice(start % stride, None, stride)) if across else (slice(start, None, stride), slice(None))
        )
        output, target = output[cut].detach().to(self._kind), target[cut].detach().to(self._kind)
        if not target.numel():
            return 0
        device = self._sums.device
        residual = output - target
        if self._origin is None:  # sums of squares around some target lose no digits
            self._origin = target.mean()
        shifted = target - self._origin
        count = torch.full((), float(residual.numel()), dtype=self._kind, device=residual.device)
        sums = [count, residual.abs().sum(), residual.square().sum(), shifted.sum(), shifted.square().sum()]
        self._sums += torch.stack(sums).to(device, non_blocking=True)
        ends = torch.stack([residual.amin(), residual.amax()]).to(device, non_blocking=True)
        old = self._ends if self._ends is not None else ends
        self._ends = torch.stack([torch.minimum(old[0], ends[0]), torch.maximum(old[1], ends[1])])
        self._residuals.add(residual.reshape(-1).float())
        step = 1 if across else stride
        begin = 0 if across else start
        row = first + torch.arange(begin, begin + step * int(target.shape[0]), step, device=residual.device)
        error = residual.abs().mean(1)
        self._wrong.add(error, [row, error, target.mean(1), output.mean(1)])
        return int(target.shape[0])

    def vectors(self, _most: int) -> list[Any]:
        return [self._sums, self._ends, self._residuals.vector(), self._wrong.vector]

    def read(self, values: list[Optional[list[float]]], _certain: bool) -> dict[str, Any]:
        sums, ends, quantiles, wrong = values
        if not sums or not ends or not quantiles or not sums[0]:
            return {"reason": "no targets were seen"}
        n, absolute, squares, shift, spread = sums
        variance = spread - shift * shift / n
        inner = dict(zip((f"{share:g}" for share in AT), quantiles))
        return {
            "quantiles": {**inner, "0": ends[0], "1": ends[1]}, "mae": absolute / n, "rmse": math.sqrt(squares / n),
            "r2": 1 - squares / variance if variance > 0 else None,
            "wrong": samples_of(wrong, COLUMNS, frozenset({"row"})),
        }  # fmt: skip
