"""The verdict of smoke: every part of the script ran once, and each did what it should."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dlmon import text
from dlmon.checks.finding import HINT, Finding
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, Item, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts import rates
from dlmon.rehearsal.verdicts.common import (
    advised,
    go_on,
    is_crash,
    last_line,
    make_report,
    nonzero_exit,
    not_applicable,
    serious,
    standing,
    stopped,
    thinned,
    told,
)
from dlmon.rehearsal.verdicts.never import never_stepped
from dlmon.rehearsal.verdicts.smoke_after import after_items
from dlmon.rehearsal.verdicts.smoke_items import first_items
from dlmon.state.snapshot import RankFacts

# What a script does that was given two batches of its data: it checks its result, divides by a count of zero, loads a
# best checkpoint that was never good enough to be written.
_NUMBER = re.compile(r"\d{1,12}")
_OF_THE_CUT = ("AssertionError", "ZeroDivisionError", "FileNotFoundError", "StatisticsError", "UnboundLocalError")
FIRST_RATES = 4  # learning rates of the first steps: later stages see by them whether there is a warm-up
_EMPTY = re.compile(r"\bempty\b|at least one|no (data|samples)", re.IGNORECASE)


def judge(run: StageRun) -> StageReport:
    """fail: a crash, an error or a warning of the checks, an item that failed, or no training step at all."""
    early = not_applicable(run)
    if early is not None:
        return early
    facts = run.facts or RankFacts(rank=0)
    found = standing(run)
    items = [*first_items(run.snapshot, facts, found), *after_items(run)]
    evidence = _evidence(run, facts)
    crash = next((finding for finding in found if is_crash(finding)), None)
    if crash is not None:
        return _crashed(run, crash, items, evidence)
    if run.aborted:
        return stopped(run, items=items, evidence=evidence)
    if not run.snapshot.step:
        return never_stepped(run, items, evidence)
    return _judged(run, found, items, evidence)


def _evidence(run: StageRun, facts: RankFacts) -> dict[str, Any]:
    curves = {series.name: thinned(list(series.first)) for series in run.losses}
    steps = rates.rates_by_step(run)
    return {
        "curves": curves,
        "first_lr": [lr for _, lr in sorted(steps.items())[:FIRST_RATES]],
        "own_lr": rates.own_rate(run),
        "parameters": sum(p.numel for model in facts.models for p in model.parameters if p.requires_grad),
    }


def _crashed(run: StageRun, crash: Finding, items: Sequence[Item], evidence: dict[str, Any]) -> StageReport:
    excused = bool(run.snapshot.step) and (_of_the_cut(crash) or _counts_on_all_rows(run, crash))
    end = Item("end", INCONCLUSIVE if excused else FAIL, told(crash))
    items = [end if item.name == "end" else item for item in items]
    if excused:
        return make_report(
            run, INCONCLUSIVE, f"after {text.plural(run.snapshot.step, 'step')}: {told(crash)}",
            "It may only come of so few batches (a result that is checked, a checkpoint that was never written). "
            f"If not: {advised(crash)}", items=items, evidence=evidence,
            findings=[replace(f, severity=HINT) if is_crash(f) else f for f in standing(run)],
        )  # fmt: skip
    return make_report(run, FAIL, told(crash), advised(crash), items=items, evidence=evidence)


def _of_the_cut(crash: Finding) -> bool:
    """True for what a sound script may raise behind its loop when the loop saw two batches only."""
    if crash.evidence.get("phase") in ("forward", "backward", "step"):
        return False
    kind = str(crash.evidence.get("type", "")).rpartition(".")[2]
    return kind in _OF_THE_CUT or bool(_EMPTY.search(str(crash.evidence.get("message", ""))))


def _counts_on_all_rows(run: StageRun, crash: Finding) -> bool:
    """True where the message names the size of a data set whose loader was cut: predictions that were gathered over
    one batch, put beside the labels of all."""
    if crash.evidence.get("phase") in ("forward", "backward", "step") or run.facts is None:
        return False
    sizes = {loader.samples for loader in run.facts.loaders.values() if loader.samples}
    named = {int(number) for number in _NUMBER.findall(str(crash.evidence.get("message", "")))}
    return bool(sizes & named)


def _judged(run: StageRun, found: Sequence[Finding], items: Sequence[Item], evidence: dict[str, Any]) -> StageReport:
    bad = serious(found)
    if bad:
        return make_report(run, FAIL, told(bad[0]), advised(bad[0]), items=items, evidence=evidence)
    failed = next((item for item in items if item.verdict == FAIL), None)
    if failed is not None:
        return make_report(
            run, FAIL, f"{failed.name}: {failed.detail}", _ADVICE.get(failed.name, "Look at this item first."),
            items=items, evidence=evidence,
        )  # fmt: skip
    if run.timed_out:
        return stopped(run, items=items, evidence=evidence)
    code = nonzero_exit(run)
    if code:
        return make_report(
            run, INCONCLUSIVE, f"the script ended itself with exit code {code} after "
            f"{text.plural(run.snapshot.step, 'step')}{last_line(run)}",
            "If it checks its result, two batches may be too few for it; otherwise its last lines say why.",
            items=items, evidence=evidence,
        )  # fmt: skip
    doubtful = next((item for item in items if item.verdict == INCONCLUSIVE), None)
    if doubtful is not None:
        return make_report(
            run, INCONCLUSIVE, f"{doubtful.name}: {doubtful.detail}", _ADVICE.get(doubtful.name, "Look at this item."),
            items=items, evidence=evidence,
        )  # fmt: skip
    return make_report(run, PASS, _summary(items), go_on(run), items=items, evidence=evidence)


_ADVICE = {
    "data": "Look for missing values and divisions by zero in the data; replace or mask them before the model.",
    "labels": "Compare the labels with the width of the model's last layer; shuffle the training data.",
    "forward": "Look for log, division, sqrt and exp in the model, and at the scale of its inputs.",
    "loss": "Compare the loss function with what the model gives and with its targets; standardise the inputs.",
    "backward": "Look for .detach(), .data, no_grad() or argmax in the model, for layers that are never called, and "
    "whether the optimizer was made after the last change to the model.",
    "step": "Look whether the optimizer holds the parameters of the model that is called, and at its learning rate.",
    "clearing": "Call optimizer.zero_grad() once per step, before backward().",
    "mode": "Call model.train() before each epoch, and again after every evaluation.",
    "eval mode": "Call model.eval() before evaluation and model.train() after it.",
    "evaluation": "Look at what evaluation divides by, and at the modes of the model.",
    "checkpoint": "Save state_dict() rather than whole objects, and load it with the same classes at hand.",
}


def _summary(items: Sequence[Item]) -> str:
    """`first loss 1.096, expected ln 3 = 1.099; gradients 6 of 6 parameters; weights moved 6 of 6 parameters`."""
    shown = {item.name: item.detail for item in items if item.verdict == PASS}
    return "; ".join(shown[name] for name in ("loss", "backward", "step") if name in shown) or "every part ran"
