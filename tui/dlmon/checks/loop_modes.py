"""Modules that train in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import Lacking, leader, listed
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

STEPS = 3  # steps that the mode must last: adversarial examples go backward in eval mode between training steps


@check("loop.eval_mode_in_training", needs="train/eval flags of dropout and batch norm at a backward")
def eval_mode_in_training(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.modes:
        raise Lacking("no dropout or batch norm was seen at a backward")
    if not facts.optimizers and facts.gradients and not any(any(sample.update) for sample in facts.gradients):
        raise Lacking("nothing trains: gradients are taken, and no weight was seen to change")
    last = facts.modes[-1]
    off = [mode for mode in last.modules if mode.trains and not mode.training]
    lasted = snapshot.step - last.step
    if off and lasted >= STEPS:
        yield _finding(facts, last, off, lasted)


def _finding(facts: RankFacts, last: events.Modes, off: list[events.Mode], lasted: int) -> Finding:
    names = {mode.name for mode in off}
    was_on = any(
        mode.training and mode.name in names
        for modes in facts.modes
        if modes.step < last.step
        for mode in modes.modules
    )
    switched = f" (last switched at {last.switched.file}:{last.switched.line})" if last.switched else ""
    return Finding(
        id="loop.eval_mode_in_training",
        severity=_severity(last, off, was_on),
        title=(
            f"{len(off)} of {len(last.modules)} dropout and batch-norm modules train in eval mode "
            f"since step {last.step}: "
            f"{listed([mode.name or mode.cls for mode in off])}"
        ),
        advice=f"Call model.train() before each epoch, and again after every evaluation{switched}.",
        step=last.step,
        rank=facts.rank,
        where=last.switched or last.where,
        evidence={
            "modules": [f"{mode.name} ({mode.cls})" for mode in off[:20]],
            "steps": lasted,
            "root_training": last.root_training,
            "was_in_train_mode_before": was_on,
        },
    )


def _severity(last: events.Modes, off: list[events.Mode], was_on: bool) -> str:
    """Left behind by an evaluation is a fault; never switched on is one very likely; batch norm alone is a custom."""
    only_norms = all("BatchNorm" in mode.cls for mode in off)
    if last.root_training and only_norms:
        return HINT  # "frozen batch norm": usual when fine-tuning detectors
    return ERROR if was_on and not last.root_training else WARNING
