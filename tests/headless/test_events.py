"""Events as JSON lines, by whichever way they are encoded."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.headless.events import json_lines
from dlmon.record.codec import encode_event
from dlmon.record.reader import Tagged
from dlmon_probes import events

NUMBERS = st.none() | st.floats() | st.floats(-10, 10)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.just("null")


def row_of(event: Any) -> dict[str, Any]:
    line = json_lines([Tagged("rank3.jsonl", 3, event)])
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    row: dict[str, Any] = json.loads(line)
    assert row.pop("source") == "rank3" and row.pop("rank") == 3
    return row


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5), TEXT, st.integers(0, 10**30))
def test_a_block_of_steps_says_what_the_log_says(values: list[float | None], key: str, first: int) -> None:
    size = len(values)
    block = events.Steps(
        t=1.5, first=first, at=[0.1] * size, dt=values, wait=[None] * size, lr=values, micro=[1] * size,
        samples=[None] * size, loss={key: values}, grad_norm=[],
    )  # fmt: skip
    assert row_of(block) == json.loads(encode_event(block))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXT, NUMBERS, st.none() | st.integers(0, 9)), max_size=4))
def test_logged_scalars_say_what_the_log_says(rows: list[tuple[str, float | None, int | None]]) -> None:
    event = events.Scalars(2.0, "tensorboard", 7, [events.ScalarRow(*row) for row in rows])
    said = json.loads(encode_event(event))
    del said["source"]  # the log it comes from has the name
    assert row_of(event) == said


def test_nan_and_infinity_survive() -> None:
    event = events.Scalars(2.0, "wandb", 7, [events.ScalarRow("a", math.nan, 1), events.ScalarRow("b", -math.inf)])
    assert [row["value"] for row in row_of(event)["rows"]] == ["nan", "-inf"]
