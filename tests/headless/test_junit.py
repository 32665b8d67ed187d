"""The JUnit file: what a CI system counts, and valid XML whatever a script printed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.errors import UserError
from dlmon.headless import junit
from dlmon.rehearsal.report import Item, Record, StageReport
from tests.headless.test_rehearsal import RECORD


def suite(record: Record, *, strict: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(junit.document(record, strict=strict))


def case(found: ElementTree.Element, stage: str, name: str) -> ElementTree.Element:
    (one,) = [c for c in found.findall("testcase") if (c.get("classname"), c.get("name")) == (stage, name)]
    return one


def test_a_case_per_item_and_one_for_each_stage() -> None:
    found = suite(RECORD)
    assert found.tag == "testsuite" and found.get("name") == "dlmon check src/train.py"
    assert found.get("timestamp") == "2023-11-14T22:13:20"
    assert (found.get("tests"), found.get("failures"), found.get("skipped"), found.get("time")) == (
        "6", "2", "2", "7.500",
    )  # fmt: skip
    assert case(found, "smoke", "data").find("failure") is None
    failure = case(found, "smoke", "verdict").find("failure")
    assert failure is not None and failure.get("message") == "cross_entropy gets probabilities (train.py:41)"
    assert failure.text is not None and "/home/a/src/train.py:41: error loss.softmax_before_ce" in failure.text
    assert case(found, "engine", "verdict").find("skipped") is not None
    assert case(found, "smoke", "verdict").get("time") == "3.100"


def test_strict_makes_failures_of_what_could_not_be_judged() -> None:
    found = suite(RECORD, strict=True)
    assert case(found, "engine", "verdict").find("failure") is not None
    assert case(found, "overfit", "verdict").find("failure") is None


@given(st.text())
def test_any_text_makes_valid_xml(text: str) -> None:
    report = StageReport("smoke", "fail", text, items=[Item("loss", "fail", text)], next_step=text)
    found = suite(Record(text, (), "/", 0.0, (report,)))
    assert found.get("failures") == "2"


def test_it_is_written_into_a_new_folder(tmp_path: Path) -> None:
    junit.write(tmp_path / "reports" / "dlmon.xml", RECORD)
    assert ElementTree.parse(tmp_path / "reports" / "dlmon.xml").getroot().get("tests") == "6"


def test_a_place_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*choose another file with --junit"):
        junit.write(tmp_path, RECORD)
