"""`dlmon check` as it is read: on a page of any width, by a program, and beside a pull request."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dlmon.checks.finding import Finding
from dlmon.errors import UserError
from dlmon.headless import annotations
from dlmon.headless.rehearsal import Narration, finished_line, print_result
from dlmon.headless.report_table import table
from dlmon.rehearsal.report import Item, Record, StageReport
from dlmon_probes.events import Where
from tests.builders import Story
from tests.rehearsal.runs import LN3, classifier

SLIP = Finding(
    "loss.softmax_before_ce", "error", "cross_entropy gets probabilities: 50 % of them, at once",
    "Remove the softmax.\nThen run again.", step=0, where=Where("/home/a/src/train.py", 41),
)  # fmt: skip
SMOKE = StageReport(
    "smoke", "fail", "cross_entropy gets probabilities (train.py:41)", 3.1,
    [Item("data", "pass", "batch 32×1×16×16 float32"), Item("loss", "fail", "first loss 1.09 \x1b[2J")],
    [SLIP], "train.py:41: Remove the softmax.", {"value": float("nan")}, "smoke", 0,
)  # fmt: skip
ENGINE = StageReport("engine", "inconclusive", "no floor can be known", 4.0, next_step="Look at the curve.")
RECORD = Record("src/train.py", ("src/train.py",), "/home/a", 1_700_000_000.0, (
    StageReport("review", "pass", "3 files, 412 lines: 1 hint", 0.4), SMOKE, ENGINE,
    StageReport("overfit", "skipped", "passed by"),
))  # fmt: skip


def test_a_finished_stage_is_one_line() -> None:
    assert finished_line(RECORD.reports[0]) == "review … ✓ pass 400 ms  3 files, 412 lines: 1 hint"
    assert finished_line(RECORD.reports[1]).startswith("smoke … ✗ fail 3.1 s  cross_entropy")
    assert finished_line(RECORD.reports[3], ascii=True) == "overfit … - skipped  passed by"


def test_the_table_has_a_row_per_stage_and_below_it_what_is_wrong(tmp_path: Path) -> None:
    lines = table(RECORD, tmp_path, width=100)
    assert lines[0].split() == ["stage", "verdict", "time", "result"]
    assert lines[1].split()[:5] == ["review", "✓", "pass", "400", "ms"]
    assert [line.split()[0] for line in lines[1:5]] == ["review", "smoke", "engine", "overfit"]
    page = "\n".join(lines)
    assert "fail loss: first loss 1.09" in page and "batch 32" not in page
    assert "error loss.softmax_before_ce:" in page and "/home/a/src/train.py:41" in page
    assert "Remove the softmax. Then run again." in page
    assert "next: Look at the curve." in page
    assert "Smoke fails: cross_entropy gets probabilities" in page
    assert str(tmp_path) in page.replace("\n", "")
    assert "\x1b" not in page


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    assert max(map(len, table(RECORD, Path("dlmon_runs/x-rehearsal"), width=width))) <= width


def test_columns_stand_below_each_other() -> None:
    rows = table(RECORD, Path("r"), width=140)[:5]
    assert {
        row.index(word) for row, word in zip(rows, ("result", "3 files", "cross", "no floor", "passed"), strict=True)
    } == {rows[0].index("result")}


def test_ascii_only() -> None:
    assert all(line.isascii() for line in table(RECORD, Path("r"), ascii=True))


def test_json_is_the_documented_form(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert print_result(RECORD, Path("r"), as_json=True) == 1
    told = capsys.readouterr()
    row = json.loads(told.out)
    assert row["script"] == "src/train.py" and row["exit_code"] == 1
    smoke = row["stages"][1]
    assert {"name", "verdict", "seconds", "items", "findings"} <= smoke.keys()
    assert smoke["items"][1]["verdict"] == "fail"
    assert smoke["findings"][0]["where"] == {"file": "/home/a/src/train.py", "line": 41}
    assert smoke["evidence"] == {"value": "nan"}
    assert told.err == ""


def test_strict_counts_what_could_not_be_judged(capsys: pytest.CaptureFixture[str]) -> None:
    only = Record("t.py", ("t.py",), "/", 0.0, (ENGINE,))
    assert print_result(only, Path("r"), as_json=False) == 0
    assert print_result(only, Path("r"), as_json=False, strict=True) == 1
    assert "engine" in capsys.readouterr().out


def test_github_gets_its_commands_beside_the_table_or_the_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    print_result(RECORD, Path("r"), as_json=False)
    assert "\n::error file=src/train.py,line=41," in capsys.readouterr().out
    print_result(RECORD, Path("r"), as_json=True)
    told = capsys.readouterr()
    json.loads(told.out)
    assert told.err.startswith("::error file=src/train.py,line=41,")


def test_commands_are_escaped_as_github_wants() -> None:
    (line, *_) = annotations.lines(RECORD)
    assert line == (
        "::error file=src/train.py,line=41,title=dlmon%3A loss.softmax_before_ce::"
        "cross_entropy gets probabilities: 50 %25 of them, at once%0ARemove the softmax.%0AThen run again."
    )


def test_a_failure_without_a_finding_has_a_command_of_its_own() -> None:
    lines = annotations.lines(
        Record("t.py", (), "/", 0.0, (StageReport("overfit", "fail", "stuck", next_step="Look."),))
    )
    assert lines == ["::error title=dlmon%3A overfit fails::stuck%0ALook."]


def test_the_same_finding_of_two_stages_is_told_once_and_hints_are_notices() -> None:
    hint = Finding("h", "hint", "small", "", where=Where("/elsewhere/x.py", 2))
    reports = [StageReport(name, "pass", "", findings=[hint]) for name in ("smoke", "engine")]
    assert annotations.lines(Record("t.py", (), "/home/a", 0.0, reports)) == [
        "::notice file=/elsewhere/x.py,line=2,title=dlmon%3A h::small"
    ]


def test_a_junit_file_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="--junit"):
        print_result(RECORD, Path("r"), as_json=False, junit=str(tmp_path))
    assert "Smoke fails" in capsys.readouterr().out


class Page(io.StringIO):
    """stderr as a terminal, or as a file."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def told_on(page: Page, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stderr", page)
    monkeypatch.setenv("TERM", "xterm")
    clock = iter(range(0, 10_000, 20))
    narration = Narration(Path("dlmon_runs/x"), clock=lambda: float(next(clock)))
    narration.begun("smoke", folder)
    narration.going()
    narration.ended(RECORD.reports[1])
    return page.getvalue()


def run_folder(folder: Path) -> Path:
    story: Story = classifier([LN3, 0.5])
    story.write(folder)
    (folder / "run.json").write_text("{}")
    return folder


def test_progress_in_a_file_has_no_control_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = told_on(Page(False), run_folder(tmp_path / "smoke"), monkeypatch)
    assert "\r" not in page and "\x1b" not in page
    assert "dlmon: smoke … 40 s, step 2, loss 0.500\n" in page
    assert page.splitlines()[-1].startswith("dlmon: smoke … ✗ fail 3.1 s")


def test_progress_on_a_terminal_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = told_on(Page(True), run_folder(tmp_path / "smoke"), monkeypatch)
    assert "\r\x1b[Kdlmon: smoke … 40 s, step 2, loss 0.500" in page
    assert page.rpartition("\r\x1b[K")[2].startswith("dlmon: smoke … ✗ fail")
