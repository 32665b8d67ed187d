"""What the rehearsal's screen shows of a stage's evidence: curves, tables, pages."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dlmon.app.glyphs import ASCII, UNICODE, Glyphs
from dlmon.app.lines import text_of, width
from dlmon.app.rehearsal.curves import curve_lines, drawing_of
from dlmon.app.rehearsal.evidence import evidence_content
from dlmon.app.rehearsal.evidence_text import files_summary, number_lines
from dlmon.app.rehearsal.pages import PAGES, Sight
from dlmon.app.rehearsal.stand import Scene, stand_of
from dlmon_probes import events
from tests.app import frames, rehearsals
from tests.app.rehearsals import ENGINE, LR, OVERFIT, REVIEW, SMOKE, SMOKE_FAILED, SUBSET, WANTED

BOTH = pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])


def scene(*reports: object, chosen: str = "smoke", **more: object) -> Scene:
    stand = stand_of(rehearsals.record(*reports), WANTED)  # type: ignore[arg-type]
    running = {name: more.pop(name) for name in ("running", "folder") if name in more}
    return Scene(replace(stand, **running), chosen, **more)  # type: ignore[arg-type]


# ---- curves


def test_curves_that_are_not_numbers_are_left_out() -> None:
    assert drawing_of({}) is None
    assert drawing_of({"curves": {"loss": [[0], "x", None, [1, "nan-ish"]]}}) is None
    assert drawing_of({"curves": 3}) is None
    drawing = drawing_of({"curves": {"loss": [[0, 1.0], [1, math.nan], [2, 0.5], [math.inf, 1]]}})
    assert drawing is not None
    assert len(drawing.curves["loss"]) == 3, "a value that is not finite has a place on the axis"
    assert len(curve_lines(drawing, 60, 10, UNICODE)) == 10


@BOTH
@pytest.mark.parametrize("report", [ENGINE, OVERFIT, LR], ids=lambda report: report.name)
def test_curves_fit(report: object, glyphs: Glyphs) -> None:
    drawing = drawing_of(report.evidence)  # type: ignore[attr-defined]
    assert drawing is not None
    for room in (40, 78, 150):
        for height in (7, 12, 30):
            lines = curve_lines(drawing, room, height, glyphs)
            assert len(lines) == height
            assert all(width(row) <= room for row in lines)


def test_a_sweep_stands_on_powers_of_ten_with_its_rates_marked() -> None:
    drawing = drawing_of(LR.evidence)
    assert drawing is not None
    assert drawing.powers
    lines = [text_of(row) for row in curve_lines(drawing, 78, 16, UNICODE)]
    assert "suggested 0.0022" in lines[0]
    assert "diverges 0.9" in lines[0]
    assert "yours 0.0001" in lines[0]
    assert lines[-1].split() == ["1e-7", "1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10"]
    marks = sorted(row.index(sign) for row in lines[1:-2] for sign in "●◆■" if sign in row)
    labels = [lines[-1].index(label) for label in ("0.0001", "0.001", "1 ")]
    assert marks[0] < labels[1] < marks[1] + 6 < marks[2], "each at its learning rate, smallest first"


def test_a_loss_that_leaves_does_not_flatten_the_rest() -> None:
    rates = [[10 ** (i / 10 - 7), 1.0 - 0.5 * min(1.0, i / 50) if i < 70 else 1e6] for i in range(80)]
    drawing = drawing_of({"curves": {"loss": rates}, "lr": None})
    assert drawing is not None
    text = "\n".join(map(text_of, curve_lines(drawing, 78, 16, UNICODE)))
    assert "1.0┤" in text
    assert "e5┤" not in text


# ---- evidence


def test_lists_of_rows_are_tables_and_lists_of_pairs_are_drawn() -> None:
    evidence = {"causes": [{"cause": "too slow", "rate": 1e-5}], "smoothed": rehearsals.falling(9), "steps": 3}
    text = "\n".join(map(text_of, number_lines(evidence, 78)))
    assert "  cause     rate" in text
    assert "  too slow  1.00e-5" in text
    assert "smoothed" not in text
    drawing = drawing_of(evidence)
    assert drawing is not None
    assert list(drawing.curves) == ["smoothed"]


@BOTH
def test_every_page_fits_at_any_size_with_any_report(glyphs: Glyphs) -> None:
    tensor = events.NamedTensor("['image']", events.TensorFacts([32, 1, 16, 16], "float32", min=0.0, max=1.0))
    run = frames.running()
    facts = replace(
        run.facts[0],
        batches=(events.Batch(0.0, 0, 0, [tensor], "dict"),),
        stage_data=events.StageData(0.0, 0, "repeated", "loader", [tensor], {"['image']": "input"}, "", 4, 3),
        first_activations=events.Activations(
            0.0, 0, [events.Activation("features.0", "Conv2d", [[32, 1, 16, 16]], [[32, 8, 16, 16]], tensor.facts)]
        ),
    )  # fmt: skip
    full = frames.frame(replace(run, facts={0: facts}))
    for report in (REVIEW, SMOKE_FAILED, OVERFIT, LR, SUBSET):
        for frame in (None, frames.Frame(), frames.frame(frames.starting()), full):
            for name, page in PAGES.items():
                for room in (76, 150):
                    lines = page(Sight(report, frame), room, 20, glyphs)
                    assert lines, name
                    assert all(width(row) <= room for row in lines), name
    batch = "\n".join(map(text_of, PAGES["batch"](Sight(SMOKE, full), 100, 20, UNICODE)))
    assert "one real batch, again and again" in batch
    assert "the same batch 3 of 4 times" in batch
    assert "['image']  32×1×16×16  float32  0 … 1.00" in batch
    shapes = "\n".join(map(text_of, PAGES["shapes"](Sight(SMOKE, full), 100, 20, UNICODE)))
    assert "features.0  Conv2d  32×1×16×16 → 32×8×16×16" in shapes


def test_the_panel_says_how_much_it_leaves_out() -> None:
    content = evidence_content(scene(REVIEW, SMOKE_FAILED), 60, 6, UNICODE)
    assert len(content.lines) == 6
    assert "more rows: e opens the evidence" in text_of(content.lines[-1])


def test_files_are_counted_by_where_they_went() -> None:
    assert files_summary(()) == "no file was written"
    assert files_summary(rehearsals.FILES) == "2 files kept with the stage, 1 file really written"
