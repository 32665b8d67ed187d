"""What the stages say together."""

from __future__ import annotations

import pytest

from dlmon.rehearsal.conclusion import conclude, exit_code, full_command
from dlmon.rehearsal.report import Record, StageReport
from tests.rehearsal.runs import failed, passed


def record(*reports: StageReport, argv: tuple[str, ...] = ("train.py", "--lr", "0.1 5")) -> Record:
    return Record("train.py", argv, "/home/a", 0.0, reports)


CAUSE = {"causes": [{"cause": "the learning rate is too small", "try": "Raise it."}]}


@pytest.mark.parametrize(
    ("engine", "overfit", "words"),
    [
        (passed("engine"), failed("overfit", evidence=CAUSE), "look at the data and its labels"),
        (failed("engine"), failed("overfit", evidence=CAUSE), "look at the model, the loss and the optimizer"),
        (failed("engine", evidence=CAUSE), passed("overfit"), "synthetic data may not suit"),
    ],
)
def test_engine_and_overfit_tell_the_side(engine: StageReport, overfit: StageReport, words: str) -> None:
    told = conclude([passed("smoke"), engine, overfit])
    assert told is not None and words in told and "the learning rate is too small. Raise it." in told


def test_smoke_comes_first() -> None:
    told = conclude([failed("review"), failed("smoke", summary="a shape does not fit", next_step="Mend line 3.")])
    assert told == "smoke fails: a shape does not fit. Mend line 3."


def test_a_single_failure_is_named_with_its_next_step() -> None:
    told = conclude([passed("smoke"), failed("subset", summary="no fall", next_step="Compare the data.")])
    assert told == "subset fails: no fall. Compare the data."


def test_review_alone_counts_where_nothing_else_failed() -> None:
    assert (conclude([failed("review", summary="line 3"), passed("smoke")]) or "").startswith("review fails: line 3")


def test_all_passed_goes_on_with_the_command_as_typed() -> None:
    told = conclude([passed("smoke"), passed("overfit")], full_command(record()))
    assert told == "all 2 stages passed: go on with the full run: dlmon train.py --lr '0.1 5'"
    assert full_command(record(argv=("torchrun", "train.py"))) == "dlmon torchrun train.py"


def test_what_could_not_be_judged_is_named() -> None:
    told = conclude([passed("smoke"), StageReport("engine", "inconclusive", "?"), StageReport("lr", "skipped", "")])
    assert told is not None and "engine could not be judged" in told and "lr" not in told


def test_nothing_ran_nothing_is_said() -> None:
    assert conclude([]) is None
    assert conclude([StageReport("smoke", "skipped", "")]) is None


@pytest.mark.parametrize(
    ("verdicts", "plain", "strict"),
    [("pp", 0, 0), ("pi", 0, 1), ("ps", 0, 0), ("pf", 1, 1), ("if", 1, 1), ("", 0, 0)],
)
def test_exit_codes(verdicts: str, plain: int, strict: int) -> None:
    words = {"p": "pass", "i": "inconclusive", "s": "skipped", "f": "fail"}
    reports = [StageReport(f"s{i}", words[letter], "") for i, letter in enumerate(verdicts)]
    assert exit_code(record(*reports), strict=False) == plain
    assert exit_code(record(*reports), strict=True) == strict
