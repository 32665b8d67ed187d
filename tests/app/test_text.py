"""Numbers for people: three significant digits, units, aligned."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0, "0"), (0.0711, "0.0711"), (1.0, "1.00"), (41.23, "41.2"), (512.4, "512"), (999.6, "1,000"),
        (1284.3, "1,284"), (12345.0, "1.23e4"), (0.0021, "2.10e-3"), (3e-6, "3.00e-6"), (-0.5, "-0.500"),
        (0.99999, "1.00"), (9.999, "10.0"), (99.99, "100"), (0.009999, "0.0100"), (float("nan"), "NaN"),
        (float("inf"), "inf"), (float("-inf"), "-inf"), (1e-320, "1.00e-320"), (1.7e308, "1.70e308"),
    ],
)  # fmt: skip
def test_number(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_number_is_right_to_three_digits(value: float) -> None:
    shown = float(text.number(value).replace(",", ""))
    assert math.isclose(shown, value, rel_tol=0.00501)


@given(st.floats(min_value=1e-9, max_value=9e5))
def test_points_stand_below_each_other(value: float) -> None:
    shown = text.aligned(value)
    if "." in shown and "," not in shown:
        assert shown.index(".") == 3


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"), (0, "0 ms"), (0.0000121, "12.1 µs"), (0.0123, "12.3 ms"), (0.4, "400 ms"), (3.14, "3.1 s"),
        (59.6, "1 min 00 s"), (372, "6 min 12 s"), (7500, "2 h 05 min"), (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (float("inf"), "–"),
    ],
)  # fmt: skip
def test_duration(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, ""), (-1, ""), (2, "about 5 s"), (38, "about 40 s"), (790, "about 13 min"), (7700, "about 2 h 10 min"),
     (7200, "about 2 h"), (200000, "about 2 d 7 h")],
)  # fmt: skip
def test_about(seconds: float | None, shown: str) -> None:
    assert text.about(seconds) == shown


@given(st.floats(min_value=0, max_value=1e9))
def test_estimates_and_durations_have_units(seconds: float) -> None:
    assert re.search(r"(µs|ms|s|min|h)$", text.duration(seconds))
    assert re.search(r"(s|min|h)$", text.about(seconds))


def test_bytes_share_a_unit() -> None:
    gib = 1 << 30
    assert text.size(0) == "0 B"
    assert text.size(1023) == "0.999 KiB"
    assert text.size(41.2 * gib) == "41.2 GiB"
    assert text.part_of(41.2 * gib, 139 * gib) == "41.2 of 139 GiB"
    assert text.part_of(None, 139 * gib) == "– of 139 GiB"
    assert text.sizes(1 << 20, gib) == (["9.77e-4", "1.00"], "GiB") or text.sizes(1 << 20, gib)[0][0] == "0.00"


def test_rates_turn_round_below_one_in_a_second() -> None:
    assert text.rate(212.4) == "212 steps/s"
    assert text.rate(0.25) == "4.0 s/step"
    assert text.rate(None) == text.rate(0) == ""


def test_percent() -> None:
    assert [text.percent(share) for share in (None, 0, 0.0001, 0.003, 0.874, 1)] == [
        "–", "0 %", "< 0.1 %", "0.3 %", "87 %", "100 %",
    ]  # fmt: skip


def test_places_and_shapes() -> None:
    assert text.place("/home/me/train.py", 88) == "train.py:88"
    assert text.place("", 88) == ""
    assert text.shape([32, 3, 224]) == "32×3×224"
    assert text.shape([]) == "scalar"


@given(st.text())
def test_clean_text_moves_no_cursor(value: str) -> None:
    cleaned = text.clean(value)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", cleaned)
    assert len(cleaned) == len(value)


def test_clean_leaves_ordinary_text_alone() -> None:
    assert text.clean("loss=0.5 — épöch ×3 漢字") == "loss=0.5 — épöch ×3 漢字"
    assert text.clean("a\tb\x1b[31mc") == "a b�[31mc"
