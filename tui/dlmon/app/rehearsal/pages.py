"""A stage's evidence in full, page by page; each page a pure function of the report and of its run as it was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dlmon.app.content import waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.health import rows_of
from dlmon.app.lines import Line, cut, line, pad, wrap
from dlmon.app.panels.gradients import gradients_content
from dlmon.app.panels.output import output_content
from dlmon.app.rehearsal import evidence_text
from dlmon.app.rehearsal.curves import curve_lines, drawing_of
from dlmon.app.rehearsal.table import table_lines
from dlmon.app.source import Frame
from dlmon.app.tensor_text import span, tensor_lines
from dlmon.rehearsal.report import StageReport
from dlmon.state.snapshot import RankFacts
from dlmon.text import number, shape
from dlmon_probes import events

_ALL = 100_000  # rows: a page scrolls, so it is made as long as it wants to be


@dataclass(frozen=True)
class Sight:
    """What a page is made from. frame None: the run is being read; of a stage without one it stays so. selected: the
    finding under the cursor."""

    report: StageReport
    frame: Frame | None = None
    log: bool = False
    fold: bool = False
    selected: int = 0

    @property
    def facts(self) -> RankFacts | None:
        return self.frame.view.snapshot.leader if self.frame and self.frame.view else None

    def absent(self, what: str) -> str:
        if not self.report.run:
            return f"{self.report.name} ran nothing: there is no {what}"
        return "the run is being read" if self.frame is None else f"no {what} was seen in this stage"


Page = Callable[[Sight, int, int, Glyphs], list[Line]]


def items(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:  # noqa: ARG001
    lines = evidence_text.item_lines(sight.report, room, glyphs)
    numbers = evidence_text.number_lines(sight.report.evidence, room)
    return [*lines, (), *numbers] if numbers else lines


def curves(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    drawing = drawing_of(sight.report.evidence)
    if drawing is None:
        return waiting(f"{sight.report.name} has no curves", room, height)
    return curve_lines(drawing, room, min(height, 40), glyphs, log=sight.log)


def batch(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:  # noqa: ARG001
    """The first batch of each loader, and what a stage put in the place of the training's."""
    facts = sight.facts
    if facts is None or not (facts.batches or facts.stage_data):
        return waiting(sight.absent("batch"), room, height)
    lines: list[Line] = []
    if facts.stage_data is not None:
        lines += [*_stage_data(facts.stage_data, room), ()]
    seen: set[int] = set()
    for one in sorted(facts.batches, key=lambda batch: (batch.step, batch.t)):
        if one.loader not in seen:
            seen.add(one.loader)
            lines += [*_batch(one, facts, room), ()]
    return lines[:-1]


def _stage_data(data: events.StageData, room: int) -> list[Line]:
    told = {"repeated": "one real batch, again and again", "synthetic": "synthetic data that can be learned"}
    head = f"{told.get(data.how, data.how)}, in the place of the training data from step {data.step} on"
    lines = [line((text, "strong")) for text in wrap(head, room)]
    if data.trouble:
        lines += [line((text, "warning")) for text in wrap(f"not done: {data.trouble}", room)]
    if data.looks:
        lines.append(line(f"the model was given the same batch {data.same} of {data.looks} times it was looked at"))
    lines += [line((f"  {pad(path, 20)}", "text"), (f"taken for {role}", "dim")) for path, role in data.roles.items()]
    return [*lines, *tensor_lines(data.tensors, room)]


def _batch(one: events.Batch, facts: RankFacts, room: int) -> list[Line]:
    loader = facts.loaders.get(one.loader)
    name = (
        f"loader {one.loader}" if loader is not None or one.loader >= 0 else "no loader: what the model was called with"
    )
    structure = f"   {one.structure}" if one.structure else ""
    return [line((name, "strong"), (cut(f"   at step {one.step}{structure}", room - len(name)), "dim")),
            *tensor_lines(one.tensors, room)]  # fmt: skip


def shapes(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Every module call of the first forward."""
    trace = sight.facts.first_activations if sight.facts else None
    if trace is None or not trace.modules:
        return waiting(sight.absent("forward"), room, height)
    arrow = "->" if glyphs.ascii else "→"
    rows: list[tuple[str, ...]] = [("module", "class", "shapes", "output range", "mean", "std")]
    rows += [_call(call, arrow) for call in trace.modules]
    tail = [line(("the model has more modules than were kept", "dim"))] if trace.truncated else []
    return [*table_lines(rows, room), *tail]


def _call(call: events.Activation, arrow: str) -> tuple[str, ...]:
    inside, outside = (", ".join(map(shape, shapes_)) or "–" for shapes_ in (call.inputs, call.outputs))
    depth = "  " * call.module.count(".") if call.module else ""
    facts = call.output
    middle = (number(facts.mean), number(facts.std)) if facts is not None else ("–", "–")
    return depth + (call.module or "(root)"), call.cls, f"{inside} {arrow} {outside}", span(facts), *middle


def gradients(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    facts = sight.frame.view.snapshot if sight.frame and sight.frame.view else None
    if facts is None or not facts.parameters:
        return waiting(sight.absent("gradient sample"), room, height)
    rows = rows_of(facts.parameters, fold=sight.fold)
    content = gradients_content(
        sight.frame or Frame(), rows, room, _ALL, glyphs, fold=sight.fold, needle="", first=0
    )  # fmt: skip
    return list(content.lines)


def findings(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:  # noqa: ARG001
    return evidence_text.finding_lines(sight.report, room, glyphs, selected=sight.selected)[0]


def files(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:  # noqa: ARG001
    return evidence_text.file_lines(sight.report.files, room)


def output(sight: Sight, room: int, height: int, glyphs: Glyphs) -> list[Line]:  # noqa: ARG001
    if sight.frame is None:
        return waiting(sight.absent("output"), room, height)
    return list(output_content(sight.frame.output, room, _ALL, bottom=None, needle="").lines)


PAGES: dict[str, Page] = {
    "items": items, "curves": curves, "batch": batch, "shapes": shapes, "gradients": gradients, "findings": findings,
    "files": files, "output": output,
}  # fmt: skip
FROM_END = frozenset({"output"})  # the end of these is what one looks for
