"""A script that made no optimizer step: after how long, and what it did instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, Item, StageReport
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.common import last_line, make_report, stopped
from dlmon_probes import events

USAGE_CODE = 2  # argparse, click and fire leave with it
_USAGE = re.compile(r"^\s*usage:", re.IGNORECASE)
_ERROR = re.compile(r"\berror:\s*(.+)", re.IGNORECASE)


def never_stepped(run: StageRun, items: Sequence[Item], evidence: dict[str, Any]) -> StageReport:
    usage = usage_error(run)
    if usage:
        return make_report(
            run, FAIL, f"the script did not take its arguments: {usage}",
            f"Give them behind the script's name: dlmon check {_script(run)} --its-option value.", evidence=evidence,
        )  # fmt: skip
    if run.timed_out:
        return stopped(run, items=items, evidence=evidence)
    backwards = _backwards(run)
    done = f"{_ending(run)} without an optimizer step; it {_instead(run)}{last_line(run)}"
    if backwards:
        # Accumulation over more batches than there were, or a loss scaler that leaves out its first steps.
        return make_report(
            run, INCONCLUSIVE, done,
            "If gradients are accumulated over many batches or scaled for float16, so few batches may be too few; "
            "otherwise look for the call of optimizer.step().", items=items, evidence=evidence,
        )  # fmt: skip
    return make_report(run, FAIL, done, _next(run), items=items, evidence=evidence)


def _script(run: StageRun) -> str:
    return next((word for word in run.snapshot.command if word.endswith((".py", ".pyw"))), "train.py")


def usage_error(run: StageRun) -> str:
    """ "the following arguments are required: --data" where the script refused its command line; else ""."""
    if run.snapshot.exit_code != USAGE_CODE or run.ended_by_stage is not None:
        return ""
    if not any(_USAGE.match(line) for line in run.output):
        return ""
    found = next((match[1].strip() for line in reversed(run.output) if (match := _ERROR.search(line))), "")
    return text.clean(found)[:300] or "it printed how it is to be called"


def _ending(run: StageRun) -> str:
    after = f"after {text.duration(run.seconds)}"
    if run.ended_by_stage is not None:
        return f"the stage ended the script {after}"
    code = run.snapshot.exit_code
    if code is None:
        return f"the script ended {after}"
    by = f" ({run.snapshot.signal})" if run.snapshot.signal else ""
    return f"the script ended {after} with exit code {code}{by}"


def _backwards(run: StageRun) -> int:
    facts = run.facts
    if facts is None:
        return 0
    counted = facts.heartbeat.backwards if facts.heartbeat is not None else 0
    return max(counted, len(facts.graphs), len(facts.series))


def _instead(run: StageRun) -> str:
    """What was seen of it, in words."""
    facts = run.facts
    if facts is None:
        return "made no backward call, and asked no DataLoader for a batch"
    parts = []
    for loader in list(facts.loaders.values())[:2]:
        place = f" ({text.place(loader.where.file, loader.where.line)})" if loader.where else ""
        empty = not any(batch.loader == loader.loader for batch in facts.batches)
        parts.append(
            f"asked a DataLoader of {loader.dataset}{place} that gave no batch{_why_empty(loader)}"
            if empty
            else f"iterated a DataLoader of {loader.dataset}{place}"
        )
    passes = run.snapshot.evaluations
    if passes:
        batches = text.plural(sum(view.event.batches for view in passes), "batch", "batches")
        parts.append(f"ran its model on {batches} without a backward call")
    backwards = _backwards(run)
    if backwards:
        parts.append(f"called backward at least {text.plural(backwards, 'time')}")
    if facts.models and not parts:
        parts.append(f"made a {facts.models[0].cls or 'model'}")
    if not parts:
        return "called neither backward() nor a data loader"
    return " and ".join(parts) + ("" if backwards else ", and never called backward()")


def _next(run: StageRun) -> str:
    if run.facts is None:
        return "Is this the script that trains? If it starts the training by other means, give that command."
    return "Is this the script that trains, and do its options make it train (epochs, steps, a --train switch)?"


def _why_empty(loader: events.Loader) -> str:
    samples, size = loader.samples, loader.batch_size
    if samples == 0:
        return " (its data set is empty)"
    if samples and size and loader.drop_last and samples < size:
        return f" (drop_last with {text.plural(samples, 'sample')} for batches of {size})"
    return ""
