"""Lines keep their width, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlmon.app import lines
from dlmon.app.lines import Span, cell_len, line, text_of

WORDS = st.text(st.characters(codec="utf-8"), max_size=60)


@given(st.lists(WORDS, max_size=5), st.integers(1, 90))
def test_fit_is_exact(parts: list[str], room: int) -> None:
    fitted = lines.fit(line(*parts), room)
    assert lines.width(fitted) == room


@given(WORDS, st.integers(1, 60))
def test_pad_is_exact_and_cuts_with_an_ellipsis(text: str, room: int) -> None:
    padded = lines.pad(text, room)
    assert cell_len(padded) == room
    assert lines.pad("short", 10) == "short     "
    assert lines.pad("much too long", 6) == "much… "
    assert lines.pad("7", 3, right=True) == "  7"


@given(WORDS, st.integers(4, 60), st.sampled_from(["", "  "]))
def test_wrapped_lines_fit_and_lose_no_word(text: str, room: int, indent: str) -> None:
    wrapped = lines.wrap(text, room, indent)
    assert all(cell_len(row) <= room for row in wrapped)
    assert "".join("".join(wrapped).split()) == "".join(lines.clean(text).split())


def test_wrap_breaks_between_words() -> None:
    assert lines.wrap("set in_features to 512", 10) == ["set", "in_feature", "s to 512"]
    assert lines.wrap("one two three", 8, "  ") == ["one two", "  three"]
    assert lines.wrap("", 10) == [""]


def test_the_end_of_a_name_is_kept() -> None:
    assert lines.cut_left("blocks.11.attn.weight", 12) == "…attn.weight"
    assert lines.cut_left("fc.weight", 12) == "fc.weight"


def test_spread_lets_the_left_side_give_way() -> None:
    spread = lines.spread((Span("a long sentence about it"),), (Span("train.py:88"),), 24)
    assert text_of(spread) == "a long sent… train.py:88"


def test_first_that_fits() -> None:
    choices = [line("212 steps/s, 13 min left"), line("212 steps/s"), line("212")]
    assert text_of(lines.first_that_fits(choices, 12)) == "212 steps/s"
    assert text_of(lines.first_that_fits(choices, 2)) == "2…"


def test_joined_leaves_no_gap_for_what_is_empty() -> None:
    assert text_of(lines.joined(["a", "", ("b", "dim")], " | ")) == "a | b"
