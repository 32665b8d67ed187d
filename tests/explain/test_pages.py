"""Every finding has its page, every page has the agreed sections, and what is asked for is found."""

from __future__ import annotations

import re

import pytest

from dlmon.checks.registry import all_checks
from dlmon.errors import UserError
from dlmon.explain import pages
from dlmon.review.rule import all_rules

SECTIONS = [
    "What it means", "Why it hurts", "How to confirm", "How to fix", "When it is silent", "Sources",
]  # fmt: skip


@pytest.mark.parametrize("id", [check.id for check in all_checks()])
def test_every_check_has_its_page(id: str) -> None:
    assert id in pages.all_ids()


@pytest.mark.parametrize("id", [rule.id for rule in all_rules()])
def test_every_rule_is_explained_on_a_page_that_names_it(id: str) -> None:
    page = pages.page_for(id)
    assert page is not None
    assert f"`{id}`" in page.text


@pytest.mark.parametrize("id", pages.all_ids())
def test_a_page_has_exactly_the_agreed_sections(id: str) -> None:
    page = pages.read(id)
    assert page.text.startswith(f"# {id}: ")
    assert page.title
    assert re.findall(r"^## (.*)$", page.text, re.MULTILINE) == SECTIONS
    for body in re.split(r"^## .*$", page.text, flags=re.MULTILINE)[1:]:
        assert body.strip()
    assert page.text.count("\n```") % 2 == 0
    fix = page.text.partition("## How to fix")[2].partition("## When")[0]
    assert "\n```" in fix, "code before and after"


# What it costs cannot be shown without a GPU.
WITHOUT_NUMBERS = {"memory.fragmentation"}


@pytest.mark.parametrize("id", [id for id in pages.all_ids() if id not in WITHOUT_NUMBERS])
def test_numbers_say_why_it_hurts(id: str) -> None:
    hurts = pages.read(id).text.partition("## Why it hurts")[2].partition("## How")[0]
    assert re.search(r"\d", hurts)


def test_no_page_without_a_finding() -> None:
    known = {check.id for check in all_checks()}
    assert [id for id in pages.all_ids() if id not in known and not id.startswith("review.")] == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("loop.no_zero_grad", "loop.no_zero_grad"),
        (" `loop.no_zero_grad` ", "loop.no_zero_grad"),
        ("LOOP.NO_ZERO_GRAD", "loop.no_zero_grad"),
        ("loop.no_zero", "loop.no_zero_grad"),
        ("softmax_before", "loss.softmax_before_ce"),
        ("review.softmax_before_ce", "review.losses"),
        ("review.losses", "review.losses"),
    ],
)
def test_an_id_its_beginning_or_its_end(asked: str, found: str) -> None:
    assert pages.find(asked).id == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("loop.no_zerograd", "did you mean loop.no_zero_grad"),
        ("loss.no_zero_grad", "loop.no_zero_grad"),
        ("softmxa_before_ce", "loss.softmax_before_ce"),
        ("crash.", "say which"),
        ("qwertz", "--list"),
        ("", "--list"),
        ("../findings/crash.shape", "there is no finding"),
    ],
)
def test_what_is_not_known_gets_suggestions_on_one_line(asked: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        pages.find(asked)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
