"""The stages by name and order, and what a person may choose about them."""

from __future__ import annotations

from dataclasses import dataclass

from dlmon.errors import UserError
from dlmon_probes.stages.plan import ENGINE, FULL, LR, OVERFIT, REPEAT, SMOKE, SUBSET, Plan

REVIEW = "review"
STAGES = (REVIEW, SMOKE, ENGINE, OVERFIT, LR, SUBSET, FULL)  # cheap to dear
BY_DEFAULT = (REVIEW, SMOKE, ENGINE, OVERFIT)  # of `dlmon check`
OPTIONAL = frozenset({LR})  # `dlmon step` passes these by unless asked

ABOUT = {
    REVIEW: "reads the source; nothing runs",
    SMOKE: "two training batches, one of evaluation, then the script's own end",
    ENGINE: "synthetic data that can be learned: model, loss and optimizer without your data",
    OVERFIT: "one real batch again and again: loss must fall to its floor",
    LR: "learning rate swept from tiny to large",
    SUBSET: "a part of the training data, with evaluation",
    FULL: "the monitored run, nothing changed",
}

SWEEP_STEPS = 200
ENGINE_STEPS = 300


@dataclass(frozen=True)
class Options:
    """What holds for a whole rehearsal. timeout: seconds for each stage. fraction: of the training data in subset."""

    overfit_steps: int = 300
    fraction: float = 0.1
    seed: int = 0
    timeout: float = 600.0
    compile: bool = False
    overhead: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UserError(f"--fraction {self.fraction:g}: give a share of the training data above 0 and up to 1")
        if self.overfit_steps < 1:
            raise UserError(f"--overfit-steps {self.overfit_steps}: give a number of steps from 1 on")
        if not self.timeout > 0:
            raise UserError(f"--timeout {self.timeout:g}: give a number of seconds above 0")


def plan_of(stage: str, options: Options, *, hold: bool = False, driver: int = 0, leave: bool = False) -> Plan | None:
    """The orders for the processes of a stage; None where nothing is changed (full) or nothing runs (review)."""
    steps = {REPEAT: 2, ENGINE: ENGINE_STEPS, OVERFIT: options.overfit_steps, LR: SWEEP_STEPS}
    if stage in (REVIEW, FULL):
        return None
    return Plan(
        stage, steps=steps.get(stage, 0), fraction=options.fraction, seed=options.seed, compile=options.compile,
        hold=hold, driver=driver, leave=leave,
    )  # fmt: skip


def chosen(text: str | None) -> tuple[str, ...]:
    """The stages of `--stages smoke,overfit`, in their own order. Raises UserError for an unknown name."""
    if text is None:
        return BY_DEFAULT
    if text.strip() == "all":
        return STAGES
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in STAGES]
    if unknown or not names:
        what = f"there is no stage {unknown[0]!r}" if unknown else "no stage was named"
        raise UserError(f"--stages: {what}; the stages are {', '.join(STAGES)} (or all)")
    return tuple(stage for stage in STAGES if stage in names)
