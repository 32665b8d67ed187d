"""The words for a gradient's state, and the order of the rows."""

from __future__ import annotations

import math

import pytest

from dlmon.app.health import Scale, rows_of, scale_of, state_of
from tests.app.frames import parameter, parameters

SCALE = Scale(rms=0.1, update=1e-3, trained=frozenset({"features"}))


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "healthy"),
        ({"norm": None}, "none"),
        ({"norm": 0.0}, "zero"),
        ({"norm": math.nan}, "non-finite"),
        ({"norm": math.inf, "nonfinite": 12}, "non-finite"),
        ({"norm": 1e-9}, "vanishing"),
        ({"norm": 50.0, "trend": (1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 50.0)}, "exploding"),
        ({"norm": 50.0, "trend": (1.0, 50.0)}, "healthy"),  # two samples are no trend
        ({"update": 1e-7}, "slow"),
        ({"update": 0.0}, "healthy"),  # a first step of warm-up from zero
        ({"requires_grad": False, "norm": None}, "frozen"),
        ({"samples": 0, "norm": None}, "waiting"),
    ],
)
def test_states(more: dict[str, object], state: str) -> None:
    values = {"norm": 0.5, "trend": (0.5,) * 8, **more}
    norm = values.pop("norm")
    assert state_of(parameter(0, "features.weight", norm, **values), SCALE)[0] == state  # type: ignore[arg-type]


def test_words_carry_the_number() -> None:
    growing = parameter(0, "w", 80.0, trend=(1.0,) * 7 + (80.0,))
    assert state_of(growing, SCALE)[1] == "exploding ×80"


def test_a_bias_in_front_of_a_normalisation_is_idle_not_vanishing() -> None:
    bias = parameter(0, "features.bias", 1e-9)
    assert state_of(bias, SCALE)[0] == "idle"
    assert state_of(bias, Scale(rms=0.1, update=1e-3))[0] == "vanishing", "nothing else in that module is trained"


def test_worst_first_then_in_the_models_order() -> None:
    names = [row.name for row in rows_of(parameters())]
    assert names[:2] == ["features.3.bias", "features.3.weight"]
    assert names[2:] == [
        "features.0.weight",
        "features.0.bias",
        "classifier.weight",
        "classifier.bias",
        "embedding.weight",
    ]


def test_filter_takes_no_notice_of_case() -> None:
    assert [row.name for row in rows_of(parameters(), needle="CLASSIFIER")] == ["classifier.weight", "classifier.bias"]


def test_folding_adds_norms_in_squares_and_keeps_the_worst_state() -> None:
    folded = {row.name: row for row in rows_of(parameters(), fold=True)}
    assert set(folded) == {"features.0", "features.3", "classifier", "embedding"}
    assert folded["classifier"].norm == pytest.approx(math.hypot(0.412, 0.101))
    assert folded["features.3"].state == "zero"
    assert folded["features.0"].members == 2
    assert folded["features.0"].zeros == pytest.approx(0.031 / 2)


def test_nothing_sampled_yet_has_a_scale() -> None:
    assert scale_of([parameter(0, "w", None, samples=0, update=None)]) == Scale(0.0, 0.0)
