"""What a run came to, in sentences: rules over the evidence, the same for the README and the page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from dlmon import text
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import all_checks
from dlmon.rehearsal.conclusion import conclude, full_command
from dlmon.report.answers import Answers, called_of
from dlmon.report.evaluations import Group, best_training, on_training_data, test, validation
from dlmon.report.evidence import Evidence, Process, Training
from dlmon.report.tables import LogRow, grouping
from dlmon.state import snapshot as states

LATE = 0.7  # the best evaluation before this part of the run: the rest of it brought nothing


def rerun_command(evidence: Evidence) -> str:
    """What to type, in the run's working folder, to run it again under dlmon; "" for a log of another tool."""
    argv = evidence.manifest.argv
    return text.clean(f"dlmon {shlex.join(argv)}") if argv else ""


def standing(evidence: Evidence) -> list[Finding]:
    return [finding for finding in evidence.view.judgement.findings if not finding.resolved]


def sentences(evidence: Evidence, rows: tuple[LogRow, ...]) -> tuple[str, str, str]:
    """How it went, what it reached, and what the checks say."""
    return course(evidence), outcome(evidence, rows), verdict(evidence)


def course(evidence: Evidence) -> str:
    snapshot, process = evidence.view.snapshot, evidence.main
    took = text.duration(snapshot.elapsed)
    if process is None or not process.steps:
        return f"No training step was seen: after {took} the run {ending(evidence)}."
    models = ", then ".join(dict.fromkeys(_model(training) for p in evidence.processes for training in p.trainings))
    steps = text.plural(sum(p.steps for p in evidence.processes), "step")
    return f"{models or 'The model'} took {steps} in {took} and {ending(evidence)}."


def _model(training: object) -> str:
    name, parameters = getattr(training, "name", ""), getattr(training, "parameters", 0)
    return f"{text.clean(str(name))} ({text.plural(int(parameters), 'parameter')})"


def ending(evidence: Evidence) -> str:
    """The end of a sentence: "finished with exit code 0"."""
    snapshot = evidence.view.snapshot
    code = f", exit code {snapshot.exit_code}" if snapshot.exit_code is not None else ""
    if snapshot.state == states.FINISHED:
        return "finished with exit code 0" if snapshot.exit_code == 0 else "came to an end"
    if snapshot.state == states.FAILED:
        crash = snapshot.leader.crash if snapshot.leader else None
        why = f"{crash.type}: {crash.message}" if crash else snapshot.detail or "no reason was recorded"
        if crash is None and snapshot.detail.startswith("exit code"):
            code = ""
        return f"failed with {shortened(why)}{code}"
    if snapshot.state == states.STOPPED:
        return f"was stopped {text.clean(snapshot.detail)}{code}"
    if snapshot.state == states.LOST:
        return f"was lost ({text.clean(snapshot.detail)})"
    return f"still goes on ({snapshot.state}, as of the last line of its log)"


def shortened(words: str, most: int = 160) -> str:
    shown = text.clean(words)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def outcome(evidence: Evidence, rows: tuple[LogRow, ...]) -> str:
    process = evidence.main
    if process is None or not process.steps:
        return "There are no results."
    training, group = best_training(process)
    best = group.best if group else None
    if group is None:
        return _training_outcome(process, rows, "no evaluation pass was seen")
    if best is None:
        seen = text.plural(len(group.passes), "evaluation pass", "evaluation passes")
        return _training_outcome(process, rows, f"of {seen} neither a loss nor an accuracy is known")
    if not best.step:
        return _training_outcome(
            process, rows, f"on {_called(group)} it was looked at before the first step only: {_values(best)}"
        )
    parts = [f"On {_called(group)} {_which(process, training, best.step)}: {_values(best)}"]
    tested = test(process, training)
    if tested is not None:
        parts.append(f"on {_called(tested)} it came to {_values(tested.passes[-1])}")
    parts += filter(None, (broken(process),))
    return "; ".join(parts) + "."


def _which(process: Process, training: Training | None, step: int) -> str:
    """`it was best after 30 steps`; of several trainings, which one was."""
    if training is None or len(process.trainings) < 2:
        return f"it was best after {text.plural(step, 'step')}"
    own = f"{step - training.first:,} of its {text.plural(training.steps, 'step')}"
    return f"the best of {len(process.trainings)} trainings was {_model(training)} after {own}"


def broken(process: Process) -> str:
    """From which step on the training loss is not finite, or how often; "" where it is."""
    view = process.losses.get(process.main_loss or "")
    bad = view.points.nonfinite if view is not None else ()
    if view is None or not bad:
        return ""
    if view.last is not None and not math.isfinite(view.last) and len(bad) == view.last_step - bad[0] + 1:
        return f"the training loss is not finite from step {bad[0]:,} on"
    return f"the training loss is not finite at {text.plural(len(bad), 'step')}, the first of them step {bad[0]:,}"


def _called(group: Group) -> str:
    return text.clean(called_of(group))


def _values(one: object) -> str:
    loss, accuracy = getattr(one, "loss", None), getattr(one, "accuracy", None)
    parts = [f"loss {text.number(loss)}" if loss is not None else ""]
    parts.append(f"accuracy {text.percent(accuracy)}" if accuracy is not None else "")
    return ", ".join(part for part in parts if part) or "no value was recorded"


def _training_outcome(process: Process, rows: tuple[LogRow, ...], rest: str) -> str:
    view = process.losses.get(process.main_loss or "")
    if view is None or not view.first or view.last is None:
        return f"No loss was recorded; {rest}."
    first, last = text.number(view.first[0][1]), text.number(view.last)
    means = [row.train_loss for row in rows if row.train_loss is not None]
    mean = f" (mean of the last {_row_word(process)} {text.number(means[-1])})" if len(means) > 1 else ""
    what = "; ".join(filter(None, (rest, broken(process))))
    return f"{text.clean(view.name)} went from {first} to {last}{mean}; {what}."


def _row_word(process: Process) -> str:
    return {"evaluation": "stretch", "epoch": "epoch", "part": "twentieth"}[grouping(process)]


def verdict(evidence: Evidence) -> str:
    found = standing(evidence)
    serious = [finding for finding in found if finding.severity in (ERROR, WARNING)]
    hints = [finding for finding in found if finding.severity == HINT]
    judged = len(all_checks()) - len(evidence.view.judgement.abstained)
    if serious:
        more = f" and {text.plural(len(serious) - 1, 'more finding')}" if len(serious) > 1 else ""
        return f"dlmon's checks found: {text.clean(serious[0].title)}{more}."
    worth = f", with {text.plural(len(hints), 'hint')}" if hints else ""
    silent = len(evidence.view.judgement.abstained)
    return f"{text.plural(judged, 'check')} found nothing wrong{worth}; {silent} lacked the facts to judge."


def next_step(evidence: Evidence, compared: int) -> str:
    """One thing to do now. compared: rows of the comparison of models."""
    snapshot, process = evidence.view.snapshot, evidence.main
    serious = [finding for finding in standing(evidence) if finding.severity in (ERROR, WARNING)]
    if serious:
        place = serious[0].where
        where = f"{text.place(place.file, place.line)}: " if place and place.file else ""
        return f"{where}{text.clean(serious[0].advice or serious[0].title)}"
    if evidence.rehearsal is not None:
        return conclude(evidence.rehearsal.reports, full_command(evidence.rehearsal)) or "Run the rehearsal's stages."
    if not snapshot.over:
        return "Wait for the end of the run and make this pack again."
    if snapshot.state in (states.FAILED, states.LOST):
        return "Look at the end of the output: dlmon replay shows it beside the curves."
    if process is None or not process.steps:
        return "Rehearse the script: dlmon check says which part of it is not reached."
    training, group = best_training(process)
    if group is None:
        return "Evaluate on data that is not trained on: without that, nothing can be said of new data."
    return _from_evaluations(process, training, group, compared)


def _from_evaluations(process: Process, training: Training | None, group: Group, compared: int) -> str:
    """training: the one that the group's passes belong to."""
    start, steps = (training.first, training.steps) if training is not None else (0, process.steps)
    best, passes = group.best, [one for one in group.passes if one.loss is not None]
    if best is not None and len(passes) == len(group.passes) and len(passes) > 2:
        if best is passes[-1]:
            return "The loss was lowest at the last evaluation: train longer, and see where it stops falling."
        if best.step - start < LATE * steps:
            part = text.percent(1 - (best.step - start) / steps)
            several = f" of {_model(training)}" if len(process.trainings) > 1 else ""
            return (
                f"The last {part} of the steps{several} brought nothing on new data: stop earlier, or regularise more."
            )
    if compared < 2:
        return "Train a simpler baseline and put it beside this run: dlmon report RUN BASELINE."
    return "Repeat with another seed: one run does not tell how much of the difference is chance."


def missing(evidence: Evidence, answers: Answers, rows: tuple[LogRow, ...]) -> list[str]:
    """What the log does not hold, and why."""
    return list(_missing(evidence, answers, rows))


def _missing(evidence: Evidence, answers: Answers, rows: tuple[LogRow, ...]) -> Iterator[str]:
    process = evidence.main
    if process is None or not process.steps:
        yield "steps: no optimizer step was seen"
    elif not process.losses:
        yield "training loss: no backward call was seen"
    if process is not None:
        yield from _of_evaluations(process)
    if process is not None and all(row.train_accuracy is None for row in rows):
        yield "training accuracy: no evaluation pass over training data, and the script logged none"
    if answers.predictions is None:
        yield f"confusion matrix and error samples: {text.clean(answers.reason)}"
    elif not answers.predictions.confusion:
        yield f"confusion matrix: the task is {text.clean(answers.predictions.task)}, there are no classes to confuse"
    if not evidence.machine.gpus:
        note = text.clean(evidence.machine.note)
        yield "GPU memory and utilisation" + (f": {note}" if note else "")
    if not any(facts.first_activations for facts in evidence.view.snapshot.facts.values()):
        yield "shape trace: no module call was seen"
    if process is not None and process.seed is None:
        yield "seed: none was set, or it was not seen"


def _of_evaluations(process: Process) -> Iterator[str]:
    """Losses and accuracies that the passes for validation lack."""
    several = len(process.trainings) > 1
    found = [(one, validation(process, one)) for one in process.trainings] if several else [(None, validation(process))]
    for training, group in found:
        of = f" of {_model(training)} (steps {training.first:,} to {training.end:,})" if training is not None else ""
        if group is None:
            yield f"validation loss and accuracy{of}: no evaluation pass was seen"
            continue
        passes = len(group.passes)
        lacking = sum(one.loss is None for one in group.passes)
        if lacking:
            amount = f"{lacking:,} of {text.plural(passes, 'pass', 'passes')} on {_called(group)}"
            why = "the training loss could not be computed from the answers"
            yield f"validation loss{of}: not known of {amount}: {why}"
        if all(one.accuracy is None for one in group.passes):
            yield f"validation accuracy{of}: no share of right answers is known of the passes on {_called(group)}"


def limits(evidence: Evidence, answers: Answers, rows: tuple[LogRow, ...]) -> list[str]:
    """How far the numbers can be trusted."""
    return list(_limits(evidence, answers, rows))


def _limits(evidence: Evidence, answers: Answers, rows: tuple[LogRow, ...]) -> Iterator[str]:
    snapshot, process = evidence.view.snapshot, evidence.main
    if not snapshot.over:
        yield "The run still goes on: these are the numbers up to the last line of its log."
    elif snapshot.state != states.FINISHED:
        yield "The run did not come to its own end: the last numbers are not its result."
    if evidence.stage:
        yield f"These are the numbers of the stage {evidence.stage} of a rehearsal, not those of a full training."
    yield "One run: how much of a difference is chance takes several seeds to tell."
    if process is not None and process.seed is None and process.steps:
        yield "No seed was set: a second run gives other numbers."
    if any(row.train_accuracy is not None for row in rows) and process and on_training_data(process) is None:
        yield "train_accuracy is that of single batches that were sampled, in training mode."
    if process is not None and grouping(process) == "part" and rows:
        yield "No epoch and no evaluation after a step was seen: a row of the training log is a twentieth of the run."
    if answers.predictions is not None and answers.predictions.looked_at < answers.predictions.samples:
        looked, samples = answers.predictions.looked_at, answers.predictions.samples
        yield f"Predictions rest on {looked:,} of {samples:,} samples of the pass."
    main = process.losses.get(process.main_loss or "") if process is not None else None
    if process is not None and main is not None and len(process.losses) > 1:
        among = f"one of {len(process.losses)} losses; the others are in loss.png and metrics_summary.json"
        yield f"train_loss is {text.clean(main.name)}, {among}."
    if process is not None and len(process.trainings) > 1:
        yield (
            f"The script trained {len(process.trainings)} models one after another: first_step and steps in "
            "model_comparison.csv tell which rows of the training log are whose. Times and memory are of all together."
        )
    if process is not None and any(not training.apart for training in process.trainings):
        yield "Several models were trained, and it cannot be told when which of them: their best values are left empty."
    if len(evidence.processes) > 1:
        yield "The script trained several times: the training log is that of the training with the most steps."
    if snapshot.world > 1 and len(evidence.processes) <= 1:
        rank = process.rank if process else 0
        yield (
            f"{snapshot.world} processes trained together: losses, evaluations, predictions and steps are those of "
            f"rank {rank}; where a sampler divides the data they are of that rank's part."
        )
    if snapshot.corrupt_lines:
        yield f"{text.plural(snapshot.corrupt_lines, 'line')} of the log could not be read."
    yield "Gradient norms and shapes come from sampled steps."
