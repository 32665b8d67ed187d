"""Which learning rates a script uses, and whether a stage took its warm-up away."""

from __future__ import annotations

import math
import re

from dlmon import text
from dlmon.rehearsal.stage_run import StageRun
from dlmon_probes.stages.plan import SMOKE

# What the stages say when they hold or sweep the rate: probes/dlmon_probes/stages/rates.py.
_TOLD = re.compile(r"learning rate of the script ([0-9.]+(?:e[+-]?\d+)?)")
MUCH_LOWER = 0.5  # × the rate that a stage holds: the script begins below it


def own_rate(run: StageRun) -> float | None:
    """The learning rate of the script: as the stage told it, else as its first optimizer was made with."""
    facts = run.facts
    for note in facts.stage if facts is not None else ():
        match = _TOLD.search(note.detail) if note.action == "change" else None
        if match:
            return float(match[1])
    for optimizer in facts.optimizers if facts is not None else ():
        for group in optimizer.groups:
            for key in ("max_lr", "initial_lr", "lr"):
                value = group.options.get(key)
                if isinstance(value, (int, float)) and math.isfinite(value) and value > 0:
                    return float(value)
    return None


def rates_by_step(run: StageRun) -> dict[int, float]:
    """Learning rate of the last 512 steps, by step, as the optimizer used it."""
    facts = run.facts
    column = list(facts.rows.get("lr", ())) if facts is not None else []
    first = run.snapshot.step - len(column)
    return {first + i: lr for i, lr in enumerate(column) if lr is not None and math.isfinite(lr)}


def warmup(run: StageRun) -> str:
    """ "it starts at 1e-6, held at 0.001" where the script's first steps, in smoke, had a much lower rate; else ""."""
    smoke = run.earlier.get(SMOKE)
    rows = smoke.evidence.get("first_lr") if smoke is not None else None
    held = own_rate(run)
    if not isinstance(rows, list) or not rows or not held:
        return ""
    first = [rate for rate in rows[:2] if isinstance(rate, (int, float))]
    if not first or max(first) >= MUCH_LOWER * held:
        return ""
    return f"it starts at {text.setting(max(first))}, held at {text.setting(held)}"
