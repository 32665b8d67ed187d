"""The main panel: a row for each stage, the chosen one with what it found and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.content import Content
from dlmon.app.finding_text import ROLES, where_of
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, fit, line, pad, spread, text_of, width, wrap
from dlmon.app.panels.base import Panel
from dlmon.app.rehearsal.stand import Scene
from dlmon.checks.finding import Finding
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, SKIPPED, Item, StageReport
from dlmon.rehearsal.stages import ABOUT, OPTIONAL, REVIEW, STAGES
from dlmon.state.snapshot import PAUSED, TRAINING, RunSnapshot
from dlmon.text import clean, count, duration, number, plural
from dlmon_probes.stages.plan import FULL, SMOKE

_NAME = max(map(len, STAGES)) + 2
_WORD = len(INCONCLUSIVE) + 2
_ROLE = {PASS: "good", FAIL: "bad", INCONCLUSIVE: "warning"}


def sign(verdict: str, glyphs: Glyphs) -> str:
    """As wide as the other signs."""
    extra = {INCONCLUSIVE: "?", SKIPPED: "--" if glyphs.ascii else "–"}.get(verdict)
    return glyphs.verdict(verdict) if extra is None else extra.ljust(len(glyphs.good))


def seconds(value: float) -> str:
    """A stage's time: `0.4 s`, not in milliseconds, so that a column of them can be compared."""
    return f"{value:.1f} s" if value < 9.95 else duration(value)


def checklist_content(scene: Scene, room: int, height: int, glyphs: Glyphs) -> Content:
    """At most `height` rows. What the chosen stage has to say gives way first, its items before its next step."""
    closing = _closing(scene, room, glyphs)
    left = height - len(STAGES) - len(closing)
    if left < 2 and closing:
        closing, left = [], height - len(STAGES)
    lines: list[Line] = []
    for stage in STAGES:
        lines.append(_row(scene, stage, room, glyphs))
        if stage == scene.chosen:
            lines += told_of(scene, room, max(0, left), glyphs)
    return Content([*lines, *closing][:height], scene.stand.tally())


def wanted_rows(scene: Scene, room: int, glyphs: Glyphs) -> int:
    """To show everything."""
    return len(STAGES) + len(told_of(scene, room, 1000, glyphs)) + len(_closing(scene, room, glyphs))


def _row(scene: Scene, stage: str, room: int, glyphs: Glyphs) -> Line:
    """Sign, name, verdict, what came of it, seconds."""
    chosen = stage == scene.chosen
    bar = Span(glyphs.cursor if chosen else " ", "focus")
    name = Span(pad(stage, _NAME), "strong" if chosen else "text")
    if stage == scene.stand.running:
        word = "paused" if scene.paused else "running"
        head = line((glyphs.running, "message")), line((pad(word, _WORD), "message"))
        return _laid_out(bar, head[0], name, head[1], doing(stage, scene.snapshot), "text", scene.seconds, room)
    report = scene.stand.reports.get(stage)
    if report is None:
        muted = line((glyphs.waiting, "dim")), line((pad(_standing(scene, stage), _WORD), "dim"))
        return _laid_out(bar, muted[0], name, muted[1], ABOUT[stage], "dim", None, room)
    role = _ROLE.get(report.verdict, "dim")
    head = line((sign(report.verdict, glyphs), role)), line((pad(report.verdict, _WORD), role))
    took = report.seconds if report.verdict != SKIPPED else None
    return _laid_out(bar, head[0], name, head[1], report.summary, "text", took, room)


def _laid_out(
    bar: Span, mark: Line, name: Span, word: Line, text: str, role: str, took: float | None, room: int
) -> Line:
    head = (bar, Span(" "), *mark, name, *word)
    right = line((seconds(took), "dim")) if took is not None else ()
    left = room - width(head) - (width(right) + 2 if right else 0)
    return spread((*head, *line((cut(text, left), role))), right, room)


def _standing(scene: Scene, stage: str) -> str:
    if stage == scene.stand.next_stage:
        return "next"
    if stage in scene.stand.wanted:
        return "waiting"
    return "optional" if stage in OPTIONAL else "not chosen"


def doing(stage: str, snapshot: RunSnapshot | None) -> str:
    """What the running stage's process does, in a few words."""
    if snapshot is None:
        return "reading" if stage == REVIEW else "starting"
    if snapshot.over:
        return "ended; a second run tells whether it repeats" if stage == SMOKE else "ended; being judged"
    losses = [series for series in snapshot.series if series.source == "loss" and series.last is not None]
    loss = f", {losses[0].name} {number(losses[0].last)}" if losses else ""
    if not snapshot.step:
        return snapshot.state + loss
    state = "" if snapshot.state in (TRAINING, PAUSED) else f"{snapshot.state}, "
    return f"{state}step {count(snapshot.step)}{loss}"


def told_of(scene: Scene, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Below the chosen stage's row: at most `height` rows behind a bar."""
    report = scene.report
    inside = room - 4
    if report is None:
        lines = _before(scene, inside, glyphs)
        if len(lines) > height > 0:
            lines = [*lines[: height - 1], line((cut(text_of(lines[height - 1]) + " …", inside), "dim"))]
        lines = lines[:height]
    else:
        head = _summary_in_full(report, room, glyphs)
        head += [row for finding in _first_finding(report) for row in _finding(finding, inside, glyphs)]
        head += _next_step(report, inside)
        if len(head) > height:
            head = head[:height]
        lines = [*head, *_items(report, inside, height - len(head), glyphs)]
    bar = Span(glyphs.cursor, "focus")
    return [(bar, Span("   "), *row) for row in lines]


def _before(scene: Scene, room: int, glyphs: Glyphs) -> list[Line]:
    """What the stage is about, where its row cut that, and what to press."""
    stage = scene.chosen
    about = "" if len(ABOUT[stage]) <= room + 2 - len(glyphs.good) - _NAME - _WORD else ABOUT[stage]
    keys = ""
    if not scene.stand.running:
        skips = ", x skips it" if stage in scene.stand.wanted and stage != FULL else ""
        keys = "g begins it" if stage == FULL else f"enter runs it{skips}"
    return [line((row, "dim")) for text in (about, keys) if text for row in wrap(text, room)]


def _summary_in_full(report: StageReport, room: int, glyphs: Glyphs) -> list[Line]:
    """Only where the stage's own row cut it."""
    time = 0 if report.verdict == SKIPPED else len(seconds(report.seconds)) + 2
    left = room - 2 - len(glyphs.good) - _NAME - _WORD - time
    return [] if len(clean(report.summary)) <= left else [line(row) for row in wrap(report.summary, room - 4)]


def _first_finding(report: StageReport) -> Sequence[Finding]:
    return report.findings[:1]


def _finding(finding: Finding, room: int, glyphs: Glyphs) -> list[Line]:
    """Title and place; what to do about it is the stage's next step."""
    mark = line((glyphs.severity(finding.severity), ROLES.get(finding.severity, "text")))
    place = line((where_of(finding), "text"))
    rows = wrap(finding.title, room - len(glyphs.indent) - width(place) - 2)
    first = spread((*mark, *line((rows[0], "strong"))), place, room)
    return [first, *(line(glyphs.indent, (row, "strong")) for row in rows[1:])]


def _next_step(report: StageReport, room: int) -> list[Line]:
    if not report.next_step:
        return []
    rows = wrap(report.next_step, room - 6)
    return [line(("next  ", "key"), rows[0]), *(line(" " * 6, row) for row in rows[1:])]


def _items(report: StageReport, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    """In their own order with their details in full; where that is too much on one row each, then the bad ones first
    and the others left out."""
    items = report.items
    if not items or height < 1:
        return []
    names = min(18, max(len(item.name) for item in items)) + 2
    lines = [row for item in items for row in _item(item, names, room, glyphs)]
    if len(lines) <= height:
        return lines
    lines = [_item(item, names, room, glyphs, short=True)[0] for item in items]
    if len(lines) <= height:
        return lines
    order = {FAIL: 0, INCONCLUSIVE: 1}
    ranked = sorted(items, key=lambda item: order.get(item.verdict, 2))[: max(0, height - 1)]
    shown = [item for item in items if item in ranked]
    rest = f"{plural(len(items) - len(shown), 'more item')}: e shows all"
    return [*(_item(item, names, room, glyphs, short=True)[0] for item in shown), line((rest, "dim"))]


def _item(item: Item, names: int, room: int, glyphs: Glyphs, *, short: bool = False) -> list[Line]:
    role = _ROLE.get(item.verdict, "dim")
    muted = "text" if item.verdict in _ROLE else "dim"
    indent = len(glyphs.indent) + names
    rows = [cut(item.detail, room - indent)] if short else wrap(item.detail, room - indent)
    first = line((sign(item.verdict, glyphs), role), (pad(item.name, names), muted), (rows[0], muted))
    return [first, *(line(" " * indent, (row, muted)) for row in rows[1:])]


def _closing(scene: Scene, room: int, glyphs: Glyphs) -> list[Line]:
    """What the verdicts say together."""
    if not scene.conclusion or scene.stand.running:
        return []
    rows = wrap(scene.conclusion, room - len(glyphs.indent) - 2)
    indent = "  " + glyphs.indent
    return [(), *(fit(line(indent, (row, "message")), room) for row in rows)]


class Checklist(Panel):
    """The widget."""

    title_text = "stages"
    number = 1

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def content(self, room: int, height: int) -> Content:
        return checklist_content(self.scene, room, height, self.glyphs)
