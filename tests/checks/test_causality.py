from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes.events_model import NextToken
from tests.builders import START, Story, told
from tests.checks.test_loss_form import story

ID = "loss.future_leak"


def tokens(**facts: Any) -> Story:
    known: dict[str, Any] = {"rows": 16, "positions": 24, "shifted": 1.0, "same": 0.05, "embedded": 1}
    return story().add(NextToken(START, 0, 0, **{**known, **facts}))


def test_attention_without_a_mask() -> None:
    finding = told(tokens(ahead=[0.48, 0.45]), ID)
    assert finding.severity == "error" and "2 of 2 attentions" in finding.title and "causal" in finding.advice


def test_one_attention_of_several_is_a_hint() -> None:
    assert told(tokens(ahead=[0.0, 0.45]), ID).severity == "hint"


def test_a_recurrent_layer_that_reads_from_the_end() -> None:
    finding = told(tokens(backward_rnn=1), ID)
    assert finding.severity == "error" and "bidirectional=False" in finding.advice


@pytest.mark.parametrize(
    "facts",
    [
        {"ahead": [0.0, 0.0]},
        {"ahead": [0.5], "shifted": 0.3},  # words to be filled in, tags
        {"ahead": [0.5], "same": 0.9},  # a copy
        {"ahead": [0.5], "embedded": 2},  # an encoder's
        {"ahead": [], "backward_rnn": 1, "embedded": 2},
        {"ahead": [0.5], "shifted": None},
    ],
)
def test_where_looking_ahead_is_right_or_unknown(facts: dict[str, Any]) -> None:
    assert ID not in tokens(**facts).ids()
