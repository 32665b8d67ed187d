from __future__ import annotations

from typing import Any

import pytest

from dlmon_probes.events_model import StateFile, StateLoad
from tests.builders import START, Story, at, told
from tests.checks.test_loss_form import story

LOADED, ALIASED = "model.checkpoint_not_loaded", "model.best_state_aliased"


def load(step: int = 0, **facts: Any) -> Story:
    known: dict[str, Any] = {"own": 6, "given": 6, "common": 6, "where": at(12, "model.load_state_dict(state)")}
    return story().add(StateLoad(START, step, "Net", **{**known, **facts}))


def read(*files: dict[str, Any]) -> Story:
    known = {"path": "['model']", "entries": 6, "own": 6, "matched": 6, "looked": 4, "equal": 0, "used": False}
    run = story()
    for file in files:
        run.add(StateFile(START, 0, **{**known, "where": at(8, "torch.load(path)"), **file}))
    return run


PREFIXED: dict[str, Any] = {
    "missing": ["fc.weight"], "unexpected": ["module.fc.weight"], "n_missing": 6, "n_unexpected": 6, "renamed": 6,
    "prefix": "module.", "common": 0,
}  # fmt: skip


def test_names_that_fit_nothing_are_told_with_the_prefix_to_take_off() -> None:
    finding = told(load(**PREFIXED), LOADED)
    assert finding.severity == "warning" and "took 0 of 6" in finding.title
    assert "Take the prefix 'module.' off" in finding.advice
    assert finding.where is not None and finding.where.line == 12


def test_a_prefix_that_the_model_has_is_to_be_put_in_front() -> None:
    turned = {**PREFIXED, "missing": ["module.fc.weight"], "unexpected": ["fc.weight"]}
    assert "Put the prefix 'module.' in front of" in told(load(**turned), LOADED).advice


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"given": 4, "n_missing": 2},  # a backbone without its head
        {"given": 1, "n_missing": 5},  # an adapter
        {"own": 6, "given": 60, "n_unexpected": 54},  # a part of a larger file
        {"n_missing": 2, "n_unexpected": 2},  # another head
    ],
)
def test_partial_loads_on_purpose_are_left_in_peace(facts: dict[str, Any]) -> None:
    assert LOADED not in load(**facts).ids()


def test_few_fitting_names_without_a_prefix_are_a_hint() -> None:
    assert told(load(n_missing=4, n_unexpected=4, given=6), LOADED).severity == "hint"


def test_a_file_that_was_read_and_went_nowhere() -> None:
    finding = told(read({}), LOADED)
    assert finding.severity == "warning" and "checkpoint['model']" in finding.advice


@pytest.mark.parametrize(
    "file",
    [{"used": True}, {"equal": 3}, {"looked": 1}, {"matched": 2}, {"entries": 60, "matched": 6}, {"own": 20}],
)
def test_a_file_that_was_used_or_is_another_model_s(file: dict[str, Any]) -> None:
    assert LOADED not in read(file).ids()


def test_an_average_beside_the_weights_that_were_taken() -> None:
    assert LOADED not in read({"path": "['model']", "equal": 4}, {"path": "['ema']"}).ids()


def test_a_state_that_is_the_model_s_own_memory() -> None:
    finding = told(load(step=50, aliased=6, made=20), ALIASED)
    assert "30 steps since" in finding.title and finding.severity == "warning"
    assert "other weights were loaded" in told(load(step=20, aliased=6, made=20, loads_since=1), ALIASED).title


@pytest.mark.parametrize(
    "facts",
    [
        {"aliased": 0, "made": 20},  # a copy
        {"aliased": 6, "made": 50},  # nothing has changed since
        {"aliased": 6},  # nobody knows since when
        {"aliased": 2, "made": 20},  # tied to another model in part
        {"aliased": 0, "common": 0, "made": 0},
    ],
)
def test_copies_and_fresh_states_may_be_loaded(facts: dict[str, Any]) -> None:
    assert ALIASED not in load(step=50, **facts).ids()
