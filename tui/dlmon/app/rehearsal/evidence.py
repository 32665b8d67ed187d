"""The panel beside or below the checklist: what the chosen stage's verdict stands on, as far as there is room."""

from __future__ import annotations

from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, line, wrap
from dlmon.app.panels.base import Panel
from dlmon.app.rehearsal.curves import curve_lines, drawing_of, steps_shown
from dlmon.app.rehearsal.evidence_text import files_summary, finding_lines, heading, number_lines
from dlmon.app.rehearsal.stand import Scene
from dlmon.rehearsal.report import StageReport
from dlmon.rehearsal.stages import ABOUT
from dlmon_probes.stages.plan import FULL

LEAST_CURVE = 7  # rows
LEAST = 6  # rows worth opening the panel for


def evidence_content(scene: Scene, room: int, height: int, glyphs: Glyphs) -> Content:
    """Curves first, then findings, numbers and files."""
    report = scene.report
    if report is None:
        return Content(waiting(f"{scene.chosen} has not run yet: {ABOUT[scene.chosen]}", room, height))
    lines, note = _curves(report, room, height, glyphs)
    sections = [
        finding_lines(report, room, glyphs)[0] if report.findings else [],
        number_lines(report.evidence, room),
        _files(report, room),
    ]
    for section in sections:
        if section and len(lines) < height:
            lines += [*([()] if lines else []), *section]
    if not lines:
        lines = waiting(f"{report.name} left no numbers, findings or files", room, height)
    if len(lines) > height:
        lines = [*lines[: height - 1], line((f"{len(lines) - height + 1} more rows: e opens the evidence", "dim"))]
    return Content(lines, ", ".join(part for part in (note, "e opens all") if part))


def _curves(report: StageReport, room: int, height: int, glyphs: Glyphs) -> tuple[list[Line], str]:
    drawing = drawing_of(report.evidence)
    if drawing is None or height < LEAST_CURVE:
        return [], ""
    rest = len(report.findings) or len(report.evidence) > 1
    rows = max(LEAST_CURVE, height * 2 // 5) if rest and height > 2 * LEAST_CURVE else min(height, 18)
    return curve_lines(drawing, room, rows, glyphs), steps_shown(drawing)


def _files(report: StageReport, room: int) -> list[Line]:
    if not report.run or report.name == FULL:  # only a rehearsal's stages take down what is written
        return []
    return [heading("files"), *(line(row) for row in wrap(files_summary(report.files), room))]


class Evidence(Panel):
    """The widget."""

    title_text = "evidence"
    number = 5

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def content(self, room: int, height: int) -> Content:
        self.title_text = f"evidence of {self.scene.chosen}"
        return evidence_content(self.scene, room, height, self.glyphs)
