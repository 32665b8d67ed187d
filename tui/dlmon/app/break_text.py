"""What the step before a pause was computed from: the batch, the samples the model is least sure of, the tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, line, wrap
from dlmon.app.panels.gradients import gradients_content
from dlmon.app.rehearsal.table import table_lines
from dlmon.app.source import Frame
from dlmon.app.tensor_text import span, tensor_lines, wrong
from dlmon.state.snapshot import PAUSED, RankFacts, RunSnapshot
from dlmon.text import count, number, shape
from dlmon_probes import events
from dlmon_probes.events_watch import Break, Doubtful

MOST_PARAMETERS = 8
MOST_MODULES = 16
_ORDER = {
    "probability": "lowest probability of the target first",
    "error": "largest squared error first",
}


def last_break(snapshot: RunSnapshot) -> Break | None:
    """What the leading process told of its last pause; None where it never paused at a step that was looked at."""
    facts = snapshot.leader
    found = facts.further.get("break", ()) if facts is not None else ()
    return found[-1] if found else None


def break_lines(frame: Frame, room: int, glyphs: Glyphs) -> list[Line]:
    """The whole page, in lines of at most `room` cells."""
    snapshot = frame.view.snapshot if frame.view else None
    found = last_break(snapshot) if snapshot is not None else None
    if snapshot is None or found is None or snapshot.leader is None:
        text = "Nothing to show yet: what a step was computed from is told when the training pauses (space, or a "
        return [line((row, "dim")) for row in wrap(text + "condition given with --break-when).", room)]
    facts = snapshot.leader
    parts = [
        _head(snapshot, found, room),
        _batch(facts, found, room),
        _samples(found, room),
        _gradients(frame, snapshot, found, room, glyphs),
        _activations(facts, found, room),
    ]
    return [row for part in parts for row in (*part, ())][:-1]


def _head(snapshot: RunSnapshot, found: Break, room: int) -> list[Line]:
    told = f": {snapshot.detail}" if snapshot.detail and snapshot.state == PAUSED else ""
    word = "paused" if snapshot.state == PAUSED else "it was paused"
    return [line((row, "strong")) for row in wrap(f"{word} after step {count(found.step + 1)}{told}", room)]


def _batch(facts: RankFacts, found: Break, room: int) -> list[Line]:
    batches = [batch for batch in facts.batches if batch.step == found.step]
    batches = [batch for batch in batches if found.loader in (None, batch.loader)] or batches
    if not batches:
        shown = [
            events.NamedTensor(path, told)
            for path, told in (("prediction", found.prediction), ("target", found.target))
            if told is not None
        ]
        head = _title("the batch was not seen:", "no DataLoader gave it", room)
        return [*head, *(tensor_lines(shown, room) if shown else [])]
    batch = batches[-1]
    structure = f", {batch.structure}" if batch.structure else ""
    loader = f"of loader {batch.loader}" if batch.loader >= 0 else "what the model was called with"
    return [*_title("the batch", f"{loader}{structure}", room), *tensor_lines(batch.tensors, room)]


def _samples(found: Break, room: int) -> list[Line]:
    if not found.samples or not found.measure:
        loss = f"{found.op} does" if found.op else "the loss does"
        return _title("least certain samples are not known:", f"{loss} not tell them apart", room)
    name = "largest errors" if found.measure == "error" else "least certain samples"
    title = f"of {count(found.rows)}, {_ORDER.get(found.measure, found.measure)}"
    indexed = any(sample.index is not None for sample in found.samples)
    head = [*(["index in the data set"] if indexed else []), "row", found.measure, "target", "predicted"]
    rows = [head, *(_sample(sample, indexed) for sample in found.samples)]
    return [*_title(name, title, room), *table_lines(rows, room, indent="  ")]


def _sample(sample: Doubtful, indexed: bool) -> Sequence[str]:
    told = [count(sample.index)] if indexed else []
    return [*told, count(sample.row), number(sample.value), _plain(sample.target), _plain(sample.predicted)]


def _plain(value: float | None) -> str:
    """A class is a whole number, a prediction need not be."""
    whole = value is not None and math.isfinite(value) and value.is_integer()
    return count(value) if whole else number(value)


def _gradients(frame: Frame, snapshot: RunSnapshot, found: Break, room: int, glyphs: Glyphs) -> list[Line]:
    from dlmon.app.health import rows_of

    if not snapshot.parameters:
        return _title("gradients are not known:", "no step was sampled", room)
    rows = rows_of(snapshot.parameters, fold=False)
    content = gradients_content(
        frame, rows, room, MOST_PARAMETERS + 1, glyphs, fold=False, needle="", first=0
    )  # fmt: skip
    return [*_title("gradients", _when(snapshot.parameters_step, found.step), room), *content.lines]


def _activations(facts: RankFacts, found: Break, room: int) -> list[Line]:
    watched = facts.last_activations or facts.first_activations
    if watched is None or not watched.modules:
        return _title("activations are not known:", "no forward was watched", room)
    known = [call for call in watched.modules if call.output is not None and call.leaf] or list(watched.modules)
    rows: list[Sequence[str]] = [("module", "class", "output", "range", "mean", "std", "NaN or inf")]
    rows += [_call(call) for call in known[:MOST_MODULES]]
    more = len(known) - MOST_MODULES
    tail = [line((f"  {more} more modules", "dim"))] if more > 0 else []
    return [*_title("activations", _when(watched.step, found.step), room), *table_lines(rows, room, indent="  "), *tail]


def _call(call: events.Activation) -> Sequence[str]:
    facts = call.output
    numbers = (number(facts.mean), number(facts.std)) if facts is not None else ("–", "–")
    made = shape(call.outputs[0]) if call.outputs else "–"
    return (call.module or "(root)", call.cls, made, span(facts), *numbers, wrong(facts))


def _when(step: int | None, of: int) -> str:
    """Steps are counted from 1 for people: the step after which the training pauses is the last that was done."""
    if step == of:
        return "of this step"
    return f"of step {count(step + 1)}, the last one that was looked at" if step is not None else ""


def _title(text: str, note: str, room: int) -> list[Line]:
    rows = wrap(f"{text} {note}" if note else text, room)
    first = rows[0]
    return [line((text, "strong"), (first[len(text) :], "dim")), *(line((row, "dim")) for row in rows[1:])]
