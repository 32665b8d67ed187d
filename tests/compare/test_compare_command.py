"""`dlmon compare` as it is typed: text, JSON, the note, exit codes, and runs of every fate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlmon.compare.curves import overlay
from dlmon.compare.text import _columns
from dlmon_probes import events
from tests.compare.sides import SOURCE, falling, folder_of, side, story
from tests.support import Dlmon


@pytest.fixture
def runs(dlmon: Dlmon) -> Dlmon:
    """base; slow (another rate); short (killed); dead (crashed at once); going (no end yet)."""
    argv = ("train.py", "--lr", "0.01")
    folder_of(dlmon.runs / "base", story(falling(), [0.6, 0.45, 0.35, 0.3, 0.27, 0.26, 0.25, 0.25]))
    folder_of(dlmon.runs / "slow", story(falling(end=0.6), [0.8, 0.7, 0.66, 0.64, 0.63, 0.63, 0.62, 0.62]), argv=argv)
    folder_of(dlmon.runs / "short", story(falling(60)), code=137)
    folder_of(dlmon.runs / "dead", story([]).crash("ValueError", "no data"), code=None)
    folder_of(dlmon.runs / "going", story(falling(120)), code=None)
    return dlmon


def test_what_differs_comes_before_what_came_of_it(runs: Dlmon) -> None:
    done = runs("compare", "base", "slow")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A  base  finished, 200 steps")
    assert any(line.split() == ["argument", "--lr", "0.1", "->", "0.01"] for line in lines)
    assert "One thing changed: --lr." in lines
    row = next(line for line in lines if line.startswith("val loss, end"))
    assert row.split()[3:] == ["0.250", "0.620", "+148", "%", "worse", "*"]
    assert lines.index("One thing changed: --lr.") < lines.index(row)
    assert any(line.startswith("step time") for line in lines)
    drawn = lines[lines.index("val loss: A, B") :]
    assert any("A" in line for line in drawn[1:13]) and any("B" in line for line in drawn[1:13])


def test_runs_of_every_fate(runs: Dlmon) -> None:
    done = runs("compare", "base", "short", "dead", "going")
    assert done.returncode == 0, done.stderr
    assert "B  short  failed" in done.stdout and "C  dead   failed" in done.stdout
    rows = {
        row["name"] + row["what"]: row
        for row in json.loads(runs("compare", "--json", "base", "dead").stdout)["metrics"]
    }
    assert [value["value"] is None for value in rows["val lossend"]["values"]] == [False, True]


def test_json_has_it_all(runs: Dlmon) -> None:
    told = json.loads(runs("compare", "base", "slow", "--json", "--fail-if", "val_loss > baseline").stdout)
    assert [row["run"] for row in told["runs"]] == ["A", "B"]
    (change,) = told["changes"]
    assert (change["verdict"], change["causes"][0]["name"], change["causes"][0]["after"]) == (
        "one thing",
        "--lr",
        "0.01",
    )
    end = next(row for row in told["metrics"] if (row["name"], row["what"]) == ("val loss", "end"))
    assert end["against_baseline"][0]["beyond"] is True and end["against_baseline"][0]["better"] is False
    assert told["conditions"][0]["holds"] is True


@pytest.mark.parametrize(
    ("condition", "code"),
    [("val_loss > baseline*1.02", 1), ("val_loss > baseline*5", 0), ("val_los > 1", 2), ("'x/y' > baseline", 2)],
)
def test_exit_codes_for_a_gate(runs: Dlmon, condition: str, code: int) -> None:
    done = runs("compare", "base", "slow", "--fail-if", condition)
    assert done.returncode == code
    assert (done.stderr == "") is (code != 2)


def test_the_note_is_a_template_and_never_written_over(runs: Dlmon) -> None:
    done = runs("compare", "base", "slow", "--note", "note.md")
    assert done.returncode == 0
    text = (runs.cwd / "note.md").read_text()
    for part in ("## Question", "## The one change", "- argument --lr: 0.1 → 0.01", "## Evidence", "## Conclusion"):
        assert part in text
    assert "`dlmon compare base slow`" in text and "| val loss, end | 0.250 | 0.620 |" in text
    again = runs("compare", "base", "slow", "--note", "note.md")
    assert again.returncode == 2 and "is there already and is not written over" in again.stderr


def test_ascii_and_narrow(runs: Dlmon) -> None:
    done = runs("compare", "base", "slow", "short", "--ascii", env={"COLUMNS": "80"})
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_wrong_names_are_one_line(runs: Dlmon) -> None:
    for args, words in ((("base",), "alone cannot be compared"), (("base", "none"), "no run in")):
        done = runs("compare", *args)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_nothing_of_a_run_reaches_the_terminal_as_an_escape(runs: Dlmon) -> None:
    evil = "\x1b[31mred\x1b]0;title\x07|`**"
    made = story(falling()).add(events.Scalars(0.0, "tensorboard", 5, [events.ScalarRow(f"loss {evil}", 1.0)]))
    folder_of(
        runs.runs / "evil", made, argv=("train.py", f"--{evil}", evil), sources={"train.py": SOURCE + f"# {evil}\n"}
    )
    for args in ((), ("--json",), ("--note", "n.md")):
        shown = runs("compare", "base", "evil", *args).stdout
        assert "\x1b" not in shown and "\x07" not in shown
    assert "\x1b" not in (runs.cwd / "n.md").read_text()


def test_finding_that_appeared_and_went(runs: Dlmon) -> None:
    told = json.loads(runs("compare", "base", "dead", "--json").stdout)["findings"][0]
    assert [finding["id"] for finding in told["appeared"]] and told["run"] == "B"
    back = json.loads(runs("compare", "dead", "base", "--json").stdout)["findings"][0]
    assert [row["id"] for row in back["gone"]] == [row["id"] for row in told["appeared"]]
    assert "+ only in B: error" in runs("compare", "base", "dead").stdout


def test_tables_that_are_too_wide_go_on_below() -> None:
    rows = [["name", *(f"column{number}" for number in range(9))], ["loss", *("0.123",) * 9]]
    shown = _columns(rows, 40)
    assert max(map(len, shown)) <= 40
    assert [line.split()[0] for line in shown if line] == ["name", "loss"] * 3
    assert sum(line.count("0.123") for line in shown) == 9


def test_curves_end_where_their_runs_end(tmp_path: Path) -> None:
    long = side("A", folder_of(tmp_path / "long", story(falling(200))))
    short = side("B", folder_of(tmp_path / "short", story(falling(100, end=0.6))))
    pairs = [
        (one.letter, next(series for series in one.snapshot.series if series.source == "loss")) for one in (long, short)
    ]
    drawn = overlay(pairs, 80, 12, ascii=False)
    ends = {letter: max(line.rfind(letter) for line in drawn) for letter in "AB"}
    assert ends["A"] == 79 and 38 <= ends["B"] <= 44
