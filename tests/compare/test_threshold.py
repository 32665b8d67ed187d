"""`--fail-if`: the condition language with `baseline`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.compare.side import Side
from dlmon.compare.threshold import judged, understood
from dlmon.errors import UserError
from dlmon.watch.parse import parse
from dlmon.watch.trouble import ConditionError
from tests.compare.sides import falling, folder_of, side, story


@pytest.fixture
def sides(tmp_path: Path) -> list[Side]:
    made = [("a", [0.5, 0.4]), ("b", [0.5, 0.45]), ("c", [0.5, 0.3])]
    folders = [folder_of(tmp_path / name, story(falling(), values)) for name, values in made]
    return [side(letter, folder, with_facts=True) for letter, folder in zip("ABC", folders, strict=True)]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("val_loss > baseline*1.02", [True, False]),
        ("baseline * 1.02 < val_loss", [True, False]),
        ("val_loss > baseline*1.2", [False, False]),
        ("val_loss.best() < baseline", [False, True]),
        ("val_loss < baseline and val_accuracy > baseline + 0.05", [False, True]),
        ("not (val_loss >= baseline)", [False, True]),
        ("step != baseline", [False, False]),
        ("val_loss > 0.44", [True, False]),
    ],
)
def test_against_the_first_run(sides: list[Side], condition: str, holds: list[bool]) -> None:
    found = judged(understood([condition]), sides)
    assert [verdict.letter for verdict in found] == ["B", "C"]
    assert [verdict.holds for verdict in found] == holds


@pytest.mark.parametrize(
    ("condition", "problem", "column"),
    [
        ("val_los > baseline", "did you mean `val_loss`?", 0),
        ("baseline > 3", "there is none", 0),
        ("val_loss + val_accuracy > baseline", "there is 2 of them", 26),
        ("baseline", "this is a number, not a condition", 0),
        ("val_loss > baseline.best()", "expected", 19),
    ],
)
def test_what_cannot_be_understood_is_pointed_at(condition: str, problem: str, column: int) -> None:
    with pytest.raises(ConditionError) as raised:
        understood([condition])
    message = str(raised.value)
    assert message.startswith("--fail-if: ") and problem in message
    assert message.splitlines()[-1].index("^") == 2 + column
    assert raised.value.code == 2


def test_watch_conditions_know_no_baseline() -> None:
    with pytest.raises(ConditionError, match="`baseline` is no fact"):
        parse("val_loss > baseline")


def test_a_gate_that_cannot_be_judged_is_not_open(tmp_path: Path, sides: list[Side]) -> None:
    bare = side("B", folder_of(tmp_path / "bare", story(falling())), with_facts=True)
    with pytest.raises(UserError, match=r"bare reported no val_loss; there are .*loss") as raised:
        judged(understood(["val_loss > baseline"]), [sides[0], bare])
    assert raised.value.code == 2
    with pytest.raises(UserError, match="reported no train/kl"):
        judged(understood(["'train/kl' > baseline"]), sides)


def test_nan_is_worse_than_any_threshold(tmp_path: Path, sides: list[Side]) -> None:
    broken = side("B", folder_of(tmp_path / "nan", story(falling(), [0.5, float("nan")])), with_facts=True)
    (verdict,) = judged(understood(["val_loss > baseline*1.02"]), [sides[0], broken])
    assert verdict.holds
