"""The samples with the highest scores of a pass: a table of at most 64 rows that stays on the device."""

from __future__ import annotations

from typing import Any

from dlmon_probes.training import tensors

MOST = 64


def wide(device: Any) -> Any:
    """The float type that counts and row numbers are kept in: exact to 2⁵³ (on MPS, which has none, to 2²⁴)."""
    torch = tensors.torch_module()
    return torch.float32 if device.type == "mps" else torch.float64


class Hardest:
    """Rows of numbers with a score; rows scored −inf are no candidates. No synchronisation; call within `immune`."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: Any = None  # k × (1 + columns), the score first

    def add(self, scores: Any, columns: list[Any]) -> None:
        """scores: n; columns: tensors of n numbers each, as many in every call."""
        torch = tensors.torch_module()
        kind = wide(scores.device)
        best = scores.to(kind).topk(min(MOST, scores.numel()))
        picked = [column[best.indices].to(kind) for column in columns]
        rows = torch.stack([best.values, *picked], dim=1)
        if self._rows is not None:
            rows = torch.cat([self._rows, rows.to(self._rows.device, non_blocking=True)])
            rows = rows[rows[:, 0].topk(min(MOST, rows.shape[0])).indices]
        self._rows = rows

    @property
    def vector(self) -> Any:
        return None if self._rows is None else self._rows.reshape(-1)

    @staticmethod
    def read(values: Any, columns: int) -> list[list[float]]:
        """The rows without their scores, highest score first. values: those of `vector`, or None."""
        width = columns + 1
        rows = [values[i : i + width] for i in range(0, len(values or []), width)]
        return [row[1:] for row in rows if row[0] > float("-inf") or row[0] != row[0]]
