"""Every rule names its fault, on the right line, and is silent once the fault is put right or silenced."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.checks.finding import HINT
from dlmon.review.read import review
from dlmon.review.rule import all_rules
from tests.review.broken_cases import BROKEN
from tests.review.healthy_cases import HEALTHY


def read(folder: Path, text: str) -> list[tuple[str, int]]:
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    found = review(script, folder)
    assert not found.failed
    return [(f.id, f.where.line) for f in found.findings if f.where is not None]


@pytest.mark.parametrize("name", BROKEN)
def test_the_fault_is_named_on_its_line(name: str, tmp_path: Path) -> None:
    rule, text = BROKEN[name]
    line = next(number for number, row in enumerate(text.splitlines(), 1) if row.endswith("# HERE"))
    assert (f"review.{rule}", line) in read(tmp_path, text)


@pytest.mark.parametrize("name", BROKEN)
def test_a_comment_silences_it(name: str, tmp_path: Path) -> None:
    rule, text = BROKEN[name]
    assert f"review.{rule}" not in [id for id, _ in read(tmp_path, text.replace("# HERE", f"# dlmon: ignore[{rule}]"))]


def test_every_rule_has_a_broken_script() -> None:
    assert {rule.id for rule in all_rules()} == {f"review.{rule}" for rule, _ in BROKEN.values()}


def test_every_rule_says_what_it_looks_for() -> None:
    assert all(rule.about for rule in all_rules())


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_scripts_hear_hints_at_most(name: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEALTHY[name], encoding="utf-8")
    loud = [
        f"{f.where and f.where.line}: {f.id}: {f.title}"
        for f in review(script, tmp_path).findings
        if f.severity != HINT
    ]
    assert loud == []
