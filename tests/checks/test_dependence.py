"""Outputs that do not depend on the input, and samples that depend on each other."""

from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes.events import Loader
from dlmon_probes.events_data import FirstInput
from dlmon_probes.events_model import ExtraForward
from tests.builders import START, Story, at, tensor, told
from tests.checks.test_loss_form import story

ID = "data.input_ignored"
USES = {"same": 0.0, "zeroed": 0.4, "rolled": 0.3, "gradient": 0.1}
IGNORES = {"same": 0.0, "zeroed": 0.0, "rolled": 0.0, "gradient": 0.0}
MIXES = {**USES, "judged_rows": True, "reached": 15, "order_roll": 0.5, "order_flip": 0.4}


def again(sampler: str = "RandomSampler", **facts: Any) -> Story:
    known: dict[str, Any] = {"module": "", "cls": "Net", "share": 1.0, "loader": 0, "rows": 16}
    loader = Loader(START, 0, "Rows", length=25, samples=400, batch_size=16, sampler=sampler, where=at(7))
    return story().add(loader, ExtraForward(START, 2, **{**known, **facts}))


def test_an_output_that_stays_the_same_is_an_error() -> None:
    finding = told(again(**IGNORES), ID)
    assert finding.severity == "error" and finding.title.startswith("Net ignores its input")
    assert "set to zero or given to other samples" in finding.title and finding.step == 2


def test_numbers_that_are_embedded_are_only_given_to_other_samples() -> None:
    # a gradient reaches the table of places, too
    finding = told(again(**{**IGNORES, "zeroed": None, "gradient": 0.2}), ID)
    assert finding.severity == "error" and "set to zero" not in finding.title


def test_samples_that_are_mixed_out_of_order() -> None:
    finding = told(again(**MIXES), ID)
    assert finding.severity == "warning" and "depends on 15 of the 15 others" in finding.title
    assert "permute" in finding.advice


def test_a_layer_that_takes_the_batch_for_the_time_is_named() -> None:
    finding = told(again(**{**MIXES, "order_roll": 0.0, "time_first": ["encoder.attention"]}), ID)
    assert finding.severity == "warning" and "encoder.attention takes the batch for the time" in finding.title
    assert "batch_first=True" in finding.advice


@pytest.mark.parametrize("facts", [{"order_roll": 1e-7}, {"order_flip": 1e-7}, {"order_flip": None, "order_roll": 0.0}])
def test_samples_that_are_compared_with_each_other_are_a_hint(facts: dict[str, Any]) -> None:
    assert told(again(**{**MIXES, **facts}), ID).severity == "hint"


def test_rows_of_a_loader_in_turn_may_be_a_course_of_time() -> None:
    assert told(again("SequentialSampler", **MIXES), ID).severity == "hint"


def test_what_is_said_of_the_layout_is_not_said_twice() -> None:
    facts = tensor([16, 20, 6], min=-1.0, max=1.0, mean=0.0, std=1.0)
    mixed = again(**{**MIXES, "time_first": ["rnn"]})
    assert ID in mixed.ids()
    first = [FirstInput(START, i, "rnn", "LSTM", facts, ["LSTM"], batch_first=False, rows=16) for i in range(2)]
    ids = mixed.add(*first).ids()
    assert "data.shape_layout" in ids and ID not in ids


@pytest.mark.parametrize(
    "facts",
    [
        USES,
        {**IGNORES, "rolled": 0.2},
        {**IGNORES, "zeroed": 1e-4},
        {**IGNORES, "gradient": 1e-9},  # saturated: depends a little
        {**IGNORES, "zero_weights": 1},  # a last layer that starts at zero
        {**IGNORES, "share": 0.1},
        {**IGNORES, "zeroed": None, "rolled": None},  # nothing was changed
        {**IGNORES, "zeroed": float("nan"), "rolled": None},
        {**IGNORES, "trouble": "it has forward hooks"},
        {**MIXES, "judged_rows": False},
        {**MIXES, "reached": 0},
        {**MIXES, "statistics": True},
        {**MIXES, "share": 0.1},
    ],
)
def test_where_nothing_is_wrong_or_known(facts: dict[str, Any]) -> None:
    assert ID not in again(**facts).ids()
