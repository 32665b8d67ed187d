"""The state of a parameter's gradient in words, and the order in which rows want to be looked at.

This describes one row against the others at the same moment; whether it is worth a finding is for the checks, which
look at several samples and at what the script does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from dlmon.state.snapshot import ParameterView
from dlmon.text import short_count

# Root mean square of a gradient below this part of the largest one in the model: nothing arrives there.
VANISHING_SHARE = 1e-5
# Updates below this part of the model's median update ratio, or of the weights themselves: it learns, but hardly.
SLOW_SHARE = 0.01
SLOW_UPDATE = 1e-6
# Growth against the median of the earlier samples, and how many of those it takes to speak of growth.
EXPLODING_FACTOR = 40.0
EXPLODING_SAMPLES = 5

_ORDER = ("non-finite", "exploding", "none", "zero", "vanishing", "slow", "waiting", "idle", "healthy", "frozen")
_ROLES = {
    "non-finite": "bad", "exploding": "bad", "none": "warning", "zero": "warning", "vanishing": "warning",
    "slow": "warning", "waiting": "dim", "idle": "dim", "healthy": "good", "frozen": "dim",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of the table: a parameter, or a module with its parameters together. members: how many those are."""

    name: str
    norm: float | None
    weight: float | None
    update: float | None
    zeros: float | None
    trend: Sequence[float | None]
    state: str
    words: str
    members: int = 1
    numel: int = 0

    @property
    def role(self) -> str:
        return _ROLES[self.state]

    @property
    def urgency(self) -> int:
        """0 is worst."""
        return _ORDER.index(self.state)


@dataclass(frozen=True)
class Scale:
    """What a row is compared with: the largest root mean square and the median update ratio in the model; and the
    modules of which some parameter gets a gradient worth the name."""

    rms: float = 0.0
    update: float = 0.0
    trained: frozenset[str] = frozenset()


def scale_of(parameters: Sequence[ParameterView]) -> Scale:
    sizes = [rms for parameter in parameters if (rms := _rms(parameter)) is not None]
    updates = [p.update for p in parameters if p.update is not None and math.isfinite(p.update) and p.update > 0]
    largest = max(sizes, default=0.0)
    trained = frozenset(p.module for p in parameters if (_rms(p) or 0.0) > VANISHING_SHARE * largest)
    return Scale(largest, median(updates) if updates else 0.0, trained)


def _rms(parameter: ParameterView) -> float | None:
    norm = parameter.norm
    if norm is None or not math.isfinite(norm) or not parameter.numel:
        return None
    return norm / math.sqrt(parameter.numel)


def state_of(parameter: ParameterView, scale: Scale) -> tuple[str, str]:
    """(state, words): the state is a key of the order above, the words may carry a number."""
    if not parameter.requires_grad:
        return "frozen", "frozen"
    if not parameter.samples:
        return "waiting", "not sampled"
    norm = parameter.norm
    if parameter.nonfinite or (norm is not None and not math.isfinite(norm)):
        amount = f" ×{short_count(parameter.nonfinite)}" if parameter.nonfinite > 1 else ""
        return "non-finite", f"non-finite{amount}"
    if norm is None:
        return "none", "no gradient"
    if norm == 0:
        return "zero", "zero"
    growth = _growth(parameter.trend)
    if growth is not None and growth >= EXPLODING_FACTOR:
        return "exploding", f"exploding ×{short_count(round(growth))}"
    rms = _rms(parameter)
    if rms is not None and rms < VANISHING_SHARE * scale.rms:
        # A normalisation right behind it takes a bias out again: its gradient is rounding noise, and harmless.
        bias = parameter.name.endswith("bias") and parameter.module in scale.trained
        return ("idle", "idle bias") if bias else ("vanishing", "vanishing")
    if _slow(parameter.update, scale.update):
        return "slow", "slow"
    return "healthy", "healthy"


def _growth(trend: Sequence[float | None]) -> float | None:
    finite = [norm for norm in trend if norm is not None and math.isfinite(norm)]
    if len(finite) <= EXPLODING_SAMPLES:
        return None
    usual = median(finite[:-1])
    return finite[-1] / usual if usual > 0 else None


def _slow(update: float | None, usual: float) -> bool:
    if update is None or not math.isfinite(update) or update == 0 or not usual:
        return False
    return update < SLOW_UPDATE or update < SLOW_SHARE * usual


def rows_of(parameters: Sequence[ParameterView], *, fold: bool = False, needle: str = "") -> list[Row]:
    """The table, worst first and otherwise in the model's order. fold: one row for each module. needle: names that
    do not contain it are left out, whatever their case."""
    scale = scale_of(parameters)
    shown = [parameter for parameter in parameters if needle.lower() in parameter.name.lower()]
    rows = _folded(shown, scale) if fold else [_row(parameter, scale) for parameter in shown]
    return sorted(rows, key=lambda row: row.urgency)


def _row(parameter: ParameterView, scale: Scale) -> Row:
    state, words = state_of(parameter, scale)
    return Row(
        name=parameter.name, norm=parameter.norm, weight=parameter.weight, update=parameter.update,
        zeros=parameter.zeros, trend=parameter.trend, state=state, words=words, numel=parameter.numel,
    )  # fmt: skip


def _folded(parameters: Sequence[ParameterView], scale: Scale) -> list[Row]:
    modules: dict[str, list[ParameterView]] = {}
    for parameter in parameters:
        modules.setdefault(parameter.module, []).append(parameter)
    return [_module_row(name or "(root)", members, scale) for name, members in modules.items()]


def _module_row(name: str, members: Sequence[ParameterView], scale: Scale) -> Row:
    """Norms add up in squares; the update ratio is that of all weights together; the state is the worst one."""
    worst = min((_row(member, scale) for member in members), key=lambda row: row.urgency)
    amount = sum(member.numel for member in members)
    moved = [(m.update or 0.0) * (m.weight or 0.0) for m in members if m.update is not None]
    weight = _together([member.weight for member in members])
    update = math.hypot(*moved) / weight if moved and weight else None
    zeros = [(member.zeros, member.numel) for member in members if member.zeros is not None]
    counted = sum(numel for _, numel in zeros)
    return Row(
        name=name,
        norm=_together([member.norm for member in members]),
        weight=weight,
        update=update,
        zeros=sum(share * numel for share, numel in zeros) / counted if counted else None,
        trend=_trend_together([member.trend for member in members]),
        state=worst.state,
        words=worst.words,
        members=len(members),
        numel=amount,
    )


def _together(norms: Sequence[float | None]) -> float | None:
    known = [norm for norm in norms if norm is not None]
    return math.hypot(*known) if known else None


def _trend_together(trends: Sequence[Sequence[float | None]]) -> list[float | None]:
    longest = max((len(trend) for trend in trends), default=0)
    padded: list[list[float | None]] = [[*[None] * (longest - len(trend)), *trend] for trend in trends]
    return [_together(norms) for norms in zip(*padded, strict=True)]
