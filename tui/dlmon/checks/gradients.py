"""Gradients that are missing, zero, too small, too large or not numbers; judged per optimizer, over several samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from dlmon.checks import origins
from dlmon.checks.facts import backward_site, finite, leader, listed
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.loop_parameters import never_called, unreached
from dlmon.checks.registry import check
from dlmon.checks.samples import History, by_optimizer, histories, modules_of
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView

SAMPLES = 5  # "never" means at 5 sampled steps (layers may be dropped or routed around at some)
SAMPLES_ALL = 3  # fewer do where nothing of an optimizer gets a gradient
LARGE_SHARE = 0.25  # of the optimizer's elements, in modules that ran: less is a head or pooler nobody reads
VANISHED = 1e-5  # gradient/weight of a layer against the best layer's; healthy nets stay within about 1e-3
SLOWEST_UPDATE = 1e-7  # |Δw|/|w| at which float32 weights stand still; Adam lifts small gradients above it
LIVELY_UPDATE = 1e-5  # the optimizer does move something: no warm-up, no learning rate of zero
EXPLODED_AT_ONCE = 1e3  # × the norm of the weights, at each of the first samples
EXPLODED = 100.0  # × the early median of the total norm
FAST_GROWTH = 10.0  # × from each sample to the next
LOSS_HARM = 2.0  # × its lowest: Adam does not mind large gradients as long as the loss falls


@check("grads.none", needs="sampled gradients, 3 to 5 samples")
def none(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    idle = never_called(facts) or set()
    for optimizer, rows in by_optimizer(histories(facts)).items():
        missing = [row for row in rows if unreached(facts, row)]
        if len(missing) < len(rows):
            missing = [row for row in missing if row.module not in idle]  # those did not even run: another finding
        seen = max(len(row.norm) for row in rows)
        if missing and seen >= (SAMPLES_ALL if len(missing) == len(rows) else SAMPLES):
            yield _none(facts, optimizer, rows, missing, seen)


def _none(facts: RankFacts, optimizer: int, rows: list[History], missing: list[History], seen: int) -> Finding:
    share = _elements(missing) / max(1, _elements(rows))
    severity = ERROR if len(missing) == len(rows) else WARNING if share >= LARGE_SHARE else HINT
    return Finding(
        id="grads.none",
        severity=severity,
        title=(
            f"{len(missing)} of {len(rows)} trained parameters ({share:.0%} of their elements) got no gradient "
            f"at {seen} of {seen} sampled steps: {listed(modules_of(missing))}"
        ),
        advice="Look for .detach(), .data, .item(), no_grad() or argmax behind these layers, or for layers never used.",
        step=missing[0].steps[0],
        rank=facts.rank,
        where=backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "parameters": [row.name for row in missing[:20]],
            "share": share,
            "samples": seen,
        },
    )


def _elements(rows: Sequence[History]) -> int:
    return sum(row.parameter.numel for row in rows)


@check("grads.zero", needs="sampled gradients, 3 to 5 samples", explains=("grads.vanishing",))
def zero(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    found = by_optimizer(histories(facts))
    if any(series.last == 0 for series in snapshot.series if series.source == "loss"):
        return  # a perfect fit, or a margin that is kept: nothing left to learn
    for optimizer, rows in found.items():
        zeros = [row for row in rows if len(row.norm) >= SAMPLES_ALL and all(norm == 0 for norm in row.norm[-SAMPLES:])]
        everything = len(zeros) == len(rows)
        zeros = zeros if everything else [row for row in zeros if len(row.norm) >= SAMPLES]
        if zeros and (everything or any(row.matrix for row in zeros)):
            yield _zero(facts, optimizer, rows, zeros)


def _zero(facts: RankFacts, optimizer: int, rows: list[History], zeros: list[History]) -> Finding:
    seen = min(SAMPLES, min(len(row.norm) for row in zeros))
    return Finding(
        id="grads.zero",
        severity=ERROR if len(zeros) == len(rows) else WARNING,
        title=f"gradients of {listed(modules_of(zeros))} are zero at {seen} of {seen} sampled steps",
        advice=(
            "Dead ReLUs (lower the learning rate, try LeakyReLU), a saturated or constant output, "
            "a factor of zero, or float16 gradients without a GradScaler."
        ),
        step=zeros[0].steps[-seen],
        rank=facts.rank,
        where=backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "parameters": [row.name for row in zeros[:20]],
            "of": len(rows),
            "samples": seen,
        },
    )


@check("grads.nonfinite", needs="sampled gradients")
def nonfinite(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    lost = [line.points.nonfinite[0] for line in snapshot.series if line.source == "loss" and line.points.nonfinite]
    for optimizer, rows in by_optimizer(histories(facts)).items():
        # One bad sample may be a mixed-precision step that is thrown away; weights that took it on are not.
        bad = [row for row in rows if row.nonfinite[-1] and (_poisoned(row) or all(row.nonfinite[-SAMPLES_ALL:]))]
        bad = [row for row in bad if _poisoned(row) or len(row.nonfinite) >= SAMPLES_ALL]
        if bad and not (lost and min(lost) <= _first_bad(bad)):  # then they only follow from the loss
            yield _nonfinite(facts, optimizer, rows, bad)


def _first_bad(rows: Sequence[History]) -> int:
    return min(next(step for step, count in zip(row.steps, row.nonfinite, strict=True) if count) for row in rows)


def _poisoned(row: History) -> bool:
    last = row.update[-1]
    return last is not None and last != last and row.weight[-1] is not None


def _nonfinite(facts: RankFacts, optimizer: int, rows: list[History], bad: list[History]) -> Finding:
    origin = origins.origin_at(facts, None, ("gradient",))
    otherwise = (
        "Look for log(0), division by zero, sqrt at 0 and overflow in float16 in front of these layers; "
        "clip gradients and lower the learning rate if the loss grew before."
    )
    return Finding(
        id="grads.nonfinite",
        severity=ERROR,
        title=(
            f"gradients of {len(bad)} of {len(rows)} parameters are NaN or infinite ({listed(modules_of(bad))})"
            f"{origins.sentence(origin)}"
        ),
        advice=origins.advice(origin, otherwise),
        step=_first_bad(bad),
        rank=facts.rank,
        where=backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "parameters": {row.name: row.nonfinite[-1] for row in bad[:20]},
            "samples": len(bad[0].steps),
            **origins.evidence(origin, facts, _first_bad(bad)),
        },
    )


@check("grads.vanishing", needs="sampled gradients and updates of two layers, 5 samples")
def vanishing(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for optimizer, rows in by_optimizer(histories(facts)).items():
        layers = [row for row in rows if row.matrix and len(row.norm) >= SAMPLES]
        strength = {row.parameter.p: _strength(row) for row in layers}
        best = max((value for value in strength.values() if value is not None), default=0.0)
        moves = any((_typical(row.update) or 0.0) > LIVELY_UPDATE for row in layers)
        weak = [row for row in layers if _is_weak(row, strength[row.parameter.p], best)]
        if weak and moves:
            yield _vanishing(facts, optimizer, weak, best, strength)


def _strength(row: History) -> float | None:
    """Median of gradient norm over weight norm."""
    ratios = [n / w for n, w in zip(row.norm, row.weight, strict=True) if n is not None and w]
    good = finite(ratios)
    return median(good) if len(good) >= SAMPLES else None


def _is_weak(row: History, strength: float | None, best: float) -> bool:
    if not strength or strength > VANISHED * best:
        return False  # exactly zero is another finding
    update = _typical(row.update)
    return update is not None and update < SLOWEST_UPDATE


def _typical(values: Sequence[float | None]) -> float | None:
    good = finite(values)
    return median(good) if good else None


def _vanishing(
    facts: RankFacts, optimizer: int, weak: list[History], best: float, strength: dict[int, float | None]
) -> Finding:
    worst = min(weak, key=lambda row: strength[row.parameter.p] or 0.0)
    ratio = best / (strength[worst.parameter.p] or best)
    return Finding(
        id="grads.vanishing",
        severity=WARNING,
        title=(
            f"gradients vanish in {listed(modules_of(weak))}: {worst.name} gets {ratio:.1g} times less than the best "
            f"layer for its size, over {len(worst.norm)} samples"
        ),
        advice="ReLU-like activations, normalisation, residual connections, or an initialisation that keeps the scale.",
        step=worst.steps[0],
        rank=facts.rank,
        where=backward_site(facts),
        evidence={
            "subject": str(optimizer),
            "gradient_over_weight": {row.name: strength[row.parameter.p] for row in weak[:20]},
            "best": best,
        },
    )


@check("grads.exploding", needs="total gradient norm, 4 samples", explains=("grads.nonfinite",))
def exploding(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    histories(facts)
    for optimizer in sorted({sample.optimizer for sample in facts.gradients}):
        rows = [(s.step, s.total) for s in facts.gradients if s.optimizer == optimizer and s.total is not None]
        steps, totals = [step for step, _ in rows], finite(total for _, total in rows)
        factor = _growth(totals) or _at_once(facts, optimizer)
        if factor is not None and loss_suffers(snapshot):
            yield _exploding(facts, optimizer, steps, totals, factor)


def _growth(totals: list[float]) -> float | None:
    """By how much the norm grew, None where it did not explode: lastingly far above its start, or ever faster."""
    if len(totals) < 4:
        return None
    run = totals[-4:]
    if all(after > FAST_GROWTH * before > 0 for before, after in zip(run, run[1:], strict=False)):
        return run[-1] / run[0]
    if len(totals) < 8:
        return None
    early, late = median(totals[: max(4, len(totals) // 4)]), median(totals[-4:])
    return late / early if early > 0 and late > EXPLODED * early else None


def _at_once(facts: RankFacts, optimizer: int) -> float | None:
    """How many times the weights' norm the gradient's is, where it is far above it from the first step on."""
    ratios = []
    for sample in [s for s in facts.gradients if s.optimizer == optimizer][:SAMPLES_ALL]:
        weights = sum(weight * weight for weight in finite(sample.weight)) ** 0.5
        if sample.total is None or not weights:
            return None
        ratios.append(sample.total / weights if math.isfinite(sample.total) else math.inf)
    return min(ratios) if len(ratios) == SAMPLES_ALL and min(ratios) > EXPLODED_AT_ONCE else None


def loss_suffers(snapshot: RunSnapshot) -> bool:
    """True if a training loss is not finite, or has lastingly risen above its lowest and its first values."""
    return any(_suffers(series) for series in snapshot.series if series.source == "loss")


def _suffers(series: SeriesView) -> bool:
    if series.points.nonfinite:
        return True
    first, late = finite(value for _, value in series.first[:3]), finite(value for _, value in series.recent[-5:])
    if not first or not late or not series.smoothed:
        return False
    now = median(late)
    return now > 0 and now > LOSS_HARM * max(min(series.smoothed), 1e-12) and now > LOSS_HARM * abs(median(first))


def _measure(totals: list[float]) -> str:
    return "its start" if _growth(totals) is not None else "that of the weights"


def _exploding(facts: RankFacts, optimizer: int, steps: list[int], totals: list[float], factor: float) -> Finding:
    return Finding(
        id="grads.exploding",
        severity=ERROR,
        title=f"gradients explode: total norm {totals[-1]:.3g}, {factor:.2g} times {_measure(totals)}; the loss rises",
        advice="Lower the learning rate, warm it up, and clip: torch.nn.utils.clip_grad_norm_(…, 1.0) before step().",
        step=steps[0],
        rank=facts.rank,
        where=backward_site(facts),
        evidence={"subject": str(optimizer), "factor": factor, "steps": steps[-8:], "norms": totals[-8:]},
    )
