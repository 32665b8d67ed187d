"""What smoke looked at behind the first steps: evaluation, checkpoint, reproducibility, files, the script's end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlmon import text
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, UNKNOWN, Item, WrittenFile
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.verdicts.common import nonzero_exit
from dlmon.state.snapshot import SeriesView
from dlmon.view import View
from dlmon_probes import events

MOST_NAMED = 3
SAVERS = ("torch.save", "safetensors")
GONE = ("removed", "renamed", "moved")
FIRST_STEPS = 2  # that the repetition has


def after_items(run: StageRun) -> list[Item]:
    return [_evaluation(run), _eval_mode(run), _checkpoint(run), _reproducible(run), _files(run.files), _end(run)]


def _evaluation(run: StageRun) -> Item:
    passes = run.snapshot.evaluations
    if not passes:
        why = "the script evaluated nothing" if _ended_itself(run) else "not reached before the stage ended"
        return Item("evaluation", UNKNOWN, why)
    last = passes[-1].event
    parts = [text.plural(last.batches, "batch", "batches")]
    if last.loss is not None:
        parts.append(f"loss {text.number(last.loss)}")
    if last.accuracy is not None:
        parts.append(f"accuracy {text.percent(last.accuracy)}")
    bad = last.loss is not None and not math.isfinite(last.loss)
    return Item("evaluation", INCONCLUSIVE if bad else PASS, ", ".join(parts))


def _ended_itself(run: StageRun) -> bool:
    return run.ended_by_stage is None and not (run.timed_out or run.aborted)


def _eval_mode(run: StageRun) -> Item:
    passes = [view.event for view in run.snapshot.evaluations]
    if not passes:
        return Item("eval mode", UNKNOWN, "no evaluation was seen")
    on = [event for event in passes if event.dropout_on or event.norm_on]
    if on:
        kinds = [
            text.plural(on[0].dropout_on, "dropout module") if on[0].dropout_on else "",
            text.plural(on[0].norm_on, "batch norm module") if on[0].norm_on else "",
        ]
        what = " and ".join(kind for kind in kinds if kind)
        return Item(
            "eval mode", INCONCLUSIVE,
            f"{what} in train mode in {len(on)} of {text.plural(len(passes), 'evaluation')}: model.eval() before it",
        )  # fmt: skip
    graph = " (gradients were recorded: no_grad() would save memory)" if any(e.grad_enabled for e in passes) else ""
    return Item("eval mode", PASS, f"nothing in train mode in {text.plural(len(passes), 'evaluation')}{graph}")


def _checkpoint(run: StageRun) -> Item:
    tried = [event for facts in run.snapshot.facts.values() for event in facts.checkpoints]
    saved = [file for file in run.files if file.how in SAVERS and file.bytes is not None]
    broken = [event for event in tried if not event.loads]
    if broken:
        name = _name(broken[0].path)
        return Item("checkpoint", FAIL, f"{name} ({text.size(broken[0].bytes)}) does not load back: {broken[0].error}")
    if tried:
        return Item("checkpoint", PASS, _loaded(tried))
    if saved:
        return Item("checkpoint", UNKNOWN, f"{text.plural(len(saved), 'file')} saved, none was loaded back")
    why = "the script saved nothing" if _ended_itself(run) else "nothing was saved before the stage ended"
    return Item("checkpoint", UNKNOWN, why)


def _loaded(tried: Sequence[events.Checkpoint]) -> str:
    names = ", ".join(f"{_name(event.path)} ({text.size(event.bytes)})" for event in tried[:MOST_NAMED])
    more = f" and {len(tried) - MOST_NAMED} more" if len(tried) > MOST_NAMED else ""
    whole = sum(not event.weights_only for event in tried)
    how = f"; {whole} of {len(tried)} with weights_only=False only" if whole else ", weights_only"
    return f"{names}{more} written and loaded back{how}"


def _name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _reproducible(run: StageRun) -> Item:
    """Not reproducible is no fault; it is said, since a training that is cannot be compared with itself otherwise."""
    if run.repeat is None:
        return Item("reproducible", UNKNOWN, "the first steps were not run a second time")
    pairs = _pairs(run.losses, run.repeat)
    if not pairs:
        return Item("reproducible", UNKNOWN, "the second run gave no loss to compare")
    for step, one, other in pairs:
        if one != other and not (math.isnan(one) and math.isnan(other)):
            return Item(
                "reproducible", UNKNOWN,
                f"no: from step {step} on the losses of two runs differ ({one:.7g} and {other:.7g}); "
                "a seed for torch, random and numpy makes runs comparable",
            )  # fmt: skip
    steps = len({step for step, _, _ in pairs})
    return Item("reproducible", PASS, f"two runs gave the same loss in {text.plural(steps, 'step')}, to the last bit")


def _pairs(series: Sequence[SeriesView], repeat: View) -> list[tuple[int, float, float]]:
    """(step, loss, loss of the second run) of the first steps, in order."""
    again = {_key(line): dict(line.first) for line in repeat.snapshot.series if line.source == "loss"}
    pairs = []
    for line in series:
        other = again.get(_key(line), {})
        pairs += [(step, value, other[step]) for step, value in line.first[:FIRST_STEPS] if step in other]
    return sorted(pairs, key=lambda pair: pair[0])


def _key(line: SeriesView) -> tuple[str, str, int]:
    return line.name, line.where.file if line.where else "", line.where.line if line.where else 0


def _files(files: Sequence[WrittenFile]) -> Item:
    really = [file for file in files if not file.stored and file.bytes is not None and file.how not in GONE]
    redirected = [file for file in files if file.stored]
    if not files:
        return Item("files", PASS, "nothing was written")
    total = sum(file.bytes or 0 for file in redirected)
    line = f"{text.plural(len(redirected), 'file')} redirected ({text.size(total)})"
    if not really:
        return Item("files", PASS, f"{line}, none written in the project")
    names = ", ".join(file.path for file in really[:MOST_NAMED])
    more = f" and {len(really) - MOST_NAMED} more" if len(really) > MOST_NAMED else ""
    return Item("files", UNKNOWN, f"{line}, {len(really)} really written: {names}{more}")


def _end(run: StageRun) -> Item:
    note = run.ended_by_stage
    if note is not None:
        missing = [
            what
            for what, seen in (
                ("evaluation", bool(run.snapshot.evaluations)),
                ("a checkpoint", any(facts.checkpoints for facts in run.snapshot.facts.values())),
            )
            if not seen
        ]
        seen = f"; {' and '.join(missing)} not seen" if missing else ""
        after = f"ended by the stage after {note.detail or note.reason}"
        return Item("end", UNKNOWN, f"{after}: what comes behind it was not reached{seen}")
    code = nonzero_exit(run)
    if code:
        return Item("end", INCONCLUSIVE, f"the script ended itself with exit code {code}")
    if run.snapshot.exit_code is None:
        return Item("end", UNKNOWN, "its exit code was not recorded")
    return Item("end", PASS, f"finished by itself after {text.duration(run.seconds)}, exit code 0")
