"""The pure parts of the rehearsal's screen: layout, checklist, sentences, diffs, keys."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.app.glyphs import ASCII, UNICODE, Glyphs
from dlmon.app.keymap import EVIDENCE, STEP, footer_keys, grouped, keys_for
from dlmon.app.lines import text_of, width
from dlmon.app.rehearsal.changes import changed_lines
from dlmon.app.rehearsal.checklist import checklist_content, wanted_rows
from dlmon.app.rehearsal.evidence_screen import EvidenceScreen
from dlmon.app.rehearsal.farewell import farewell
from dlmon.app.rehearsal.headline import headline
from dlmon.app.rehearsal.layout import LOWER, Wishes, plan
from dlmon.app.rehearsal.now import now_lines
from dlmon.app.rehearsal.screen import StepScreen
from dlmon.app.rehearsal.stand import Scene, Stand, stand_of
from dlmon.app.screens.monitor import bindings
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE
from dlmon.rehearsal.stages import STAGES
from tests.app import frames, rehearsals
from tests.app.rehearsals import ENGINE, LR, OVERFIT, REVIEW, SMOKE, SMOKE_FAILED, SUBSET, WANTED

BOTH = pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])


def scene(*reports: object, chosen: str = "smoke", **more: object) -> Scene:
    stand = stand_of(rehearsals.record(*reports), WANTED)  # type: ignore[arg-type]
    running = {name: more.pop(name) for name in ("running", "folder") if name in more}
    return Scene(replace(stand, **running), chosen, **more)  # type: ignore[arg-type]


# ---- layout


@given(
    st.integers(80, 220), st.integers(24, 70), st.integers(7, 40), st.sampled_from(LOWER), st.booleans(), st.booleans()
)
def test_boxes_lie_beside_each_other_within_the_screen(
    columns: int, rows: int, wanted: int, lower: str, running: bool, told: bool
) -> None:
    made = plan(columns, rows, Wishes(wanted, lower, running, told))
    taken: set[tuple[int, int]] = set()
    for name, box in made.boxes.items():
        cells = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
        assert cells, name
        assert not cells & taken, name
        taken |= cells
    assert taken == {(x, y) for x in range(columns) for y in range(rows)}, "no cell is left over"
    assert made.boxes["checklist"].height > len(STAGES), "every stage has its row"
    if running:
        assert lower in made.boxes or lower == "output"
        assert "now" in made.boxes or lower == "evidence"


@BOTH
@pytest.mark.parametrize("chosen", STAGES)
def test_a_checklist_fits_and_keeps_every_stage(chosen: str, glyphs: Glyphs) -> None:
    long = replace(SMOKE_FAILED, summary="long " * 40, next_step="and longer " * 60)
    shown = scene(REVIEW, long, LR, SUBSET, chosen=chosen, conclusion="so much for that " * 9)
    for room in (76, 116):
        for height in range(7, 40):
            lines = checklist_content(shown, room, height, glyphs).lines
            assert len(lines) <= height
            assert all(width(row) <= room for row in lines)
            text = [text_of(row) for row in lines]
            assert all(any(f" {stage} " in row[: 16 + len(glyphs.good)] for row in text) for stage in STAGES)


def test_wanted_rows_show_everything() -> None:
    for report in (SMOKE, SMOKE_FAILED, OVERFIT):
        shown = scene(REVIEW, report, chosen=report.name, conclusion="go on")
        text = "\n".join(map(text_of, checklist_content(shown, 90, wanted_rows(shown, 90, UNICODE), UNICODE).lines))
        assert all(item.detail in text for item in report.items)
        assert "more items" not in text
        assert "go on" in text


def test_failed_items_are_the_last_to_be_left_out() -> None:
    shown = scene(REVIEW, SMOKE_FAILED)
    text = "\n".join(map(text_of, checklist_content(shown, 78, 15, UNICODE).lines))
    assert "✗ clearing" in text
    assert "more items: e shows all" in text


# ---- sentences


@pytest.mark.parametrize(
    ("reports", "chosen", "words"),
    [
        ((), "review", "review is next   enter runs review, a all until one fails"),
        ((REVIEW,), "review", "review passed   enter runs smoke, a all until one fails"),
        ((REVIEW, SMOKE_FAILED), "smoke", "smoke failed   edit and press r, e shows the evidence"),
        ((REVIEW, SMOKE_FAILED), "engine", "smoke failed   enter runs engine, e shows the evidence"),
        ((REVIEW, replace(SMOKE, verdict=INCONCLUSIVE)), "smoke", "smoke is inconclusive   enter runs engine"),
        ((REVIEW, SMOKE, ENGINE, OVERFIT, SUBSET), "subset", "4 of 5 stages passed   g goes on to the full run"),
        ((*rehearsals.GOOD.values(),), "full", "the full run is over   e shows the evidence, q leaves"),
    ],
)
def test_the_top_line_says_where_it_stands_and_what_to_press(reports: tuple, chosen: str, words: str) -> None:
    assert f"stripes_cnn.py   {words}" in text_of(headline(scene(*reports, chosen=chosen), 160))


@given(st.integers(80, 200), st.booleans())
def test_the_top_line_fits_and_keeps_its_sentence(room: int, auto: bool) -> None:
    line = headline(scene(REVIEW, SMOKE_FAILED, auto=auto), room)
    assert width(line) == room
    assert "smoke failed" in text_of(line)
    assert ("auto" in text_of(line)) == auto


def test_now_fits_and_waits_in_words() -> None:
    for frame in (frames.frame(), frames.frame(frames.starting(), lines=0), frames.Frame()):
        for room in (78, 120):
            for paused in (False, True):
                lines = now_lines(frame, room, UNICODE, paused=paused)
                assert [width(row) for row in lines] == [room] * 3
    text = "\n".join(map(text_of, now_lines(frames.Frame(), 78, UNICODE, paused=False)))
    assert "first step not seen yet" in text
    assert "nothing printed yet" in text


def test_the_farewell_names_the_folder_and_the_way_back(tmp_path: Path) -> None:
    reh = rehearsals.PlayedRehearsal(tmp_path / "one-rehearsal", done=(REVIEW, SMOKE_FAILED))
    line = farewell(reh)
    assert line.startswith("1 passed, 1 failed, recorded in ")
    assert line.endswith(f"come back with: dlmon attach {tmp_path / 'one-rehearsal'}")
    reh.record = replace(reh.record, going=("engine", "engine"))
    assert farewell(reh).startswith("engine goes on; 1 passed")


# ---- diffs


SOURCE = [f"line {i}" for i in range(40)]


@given(st.dictionaries(st.integers(0, 39), st.sampled_from(["-", "+", "~", "-- odd", "++ odd"]), max_size=12))
def test_changed_lines_are_counted_as_a_person_would(edits: dict[int, str]) -> None:
    """Each edited line stands apart from the others: an edit counts once, whatever it does."""
    old = [row for i, row in enumerate(SOURCE) for row in (row, f"kept {i}", f"kept again {i}")]
    new = []
    for i, row in enumerate(SOURCE):
        edit = edits.get(i, "")
        new += {"": [row], "-": [], "+": [row, "added"], "~": ["replaced"]}.get(edit, [edit])
        new += [f"kept {i}", f"kept again {i}"]
    diff = "\n".join(difflib.unified_diff(old, new, "src/train.py", "src/train.py", lineterm=""))
    amount = len(edits)
    plural = "line" if amount == 1 else "lines"
    assert changed_lines(diff) == (f"train.py: {amount} {plural} changed" if amount else "")


def test_each_file_is_named_and_a_new_one_by_its_name() -> None:
    diff = "--- /dev/null\n+++ model.py\n@@ -0,0 +1,2 @@\n+a\n+b\n--- train.py\n+++ train.py\n@@ -1 +1 @@\n-x\n+y\n"
    assert changed_lines(diff) == "model.py: 2 lines changed, train.py: 1 line changed"
    many = "".join(f"--- {name}.py\n+++ {name}.py\n@@ -1 +1 @@\n-x\n+y\n" for name in "abcde")
    assert changed_lines(many) == "a.py: 1 line changed, b.py: 1 line changed, 3 more files"


# ---- stands and keys


def test_a_stand_knows_what_is_next() -> None:
    stand = stand_of(rehearsals.record(REVIEW, SMOKE), WANTED)
    assert stand.next_stage == "engine"
    assert replace(stand, running="engine").next_stage == "overfit"
    done = stand_of(rehearsals.record(REVIEW, SMOKE, ENGINE, OVERFIT, SUBSET), WANTED)
    assert (done.next_stage, done.next_short) == ("full", "")
    assert stand_of(rehearsals.record(replace(SMOKE, verdict=FAIL)), ("smoke",)).failed == ["smoke"]
    assert Stand("x", ()).tally() == ""


@pytest.mark.parametrize(("mode", "screen"), [(STEP, StepScreen), (EVIDENCE, EvidenceScreen)])
def test_every_key_does_something_and_only_one_thing(mode: str, screen: type) -> None:
    seen: set[str] = set()
    for key in keys_for(mode):
        assert hasattr(screen, "action_" + key.action.partition("(")[0]), key
        for name in key.keys.split(","):
            assert name not in seen, f"{name} is bound twice in {mode}"
            seen.add(name)
    assert len(bindings(mode)) == len(keys_for(mode))


@pytest.mark.parametrize("mode", [STEP, EVIDENCE])
def test_help_tells_of_every_key(mode: str) -> None:
    told = " ".join(label for _, rows in grouped(mode) for label, _ in rows)
    for key in keys_for(mode):
        assert key.label in told.split(" ") or key.label.isdigit()


def test_what_means_nothing_now_is_not_offered() -> None:
    assert "b" in dict(footer_keys(STEP))
    assert "b" not in dict(footer_keys(STEP, without={"abort"}))
