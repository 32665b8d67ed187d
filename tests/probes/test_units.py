"""How units are counted that never fire."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from dlmon_probes.training import units  # noqa: E402


def silent(*results: object) -> list[float]:
    """[units that never fired, units that did not in the last looks] after these outputs of a ReLU."""
    state = units._State()
    for result in results:
        counts = units._measure("ReluBackward0", result, 1, state)
    return [float(value) for value in counts]


def test_a_unit_that_is_zero_for_every_row_is_silent() -> None:
    output = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    assert silent(output) == [1.0, 1.0]


def test_a_unit_that_fired_before_the_last_looks_has_gone_silent() -> None:
    fired, zero = torch.ones(4, 3), torch.zeros(4, 3)
    assert silent(fired, *[zero] * units.WINDOW) == [0.0, 3.0]


def test_nan_is_not_silence() -> None:
    nan = torch.full((4, 3), float("nan"))
    assert silent(torch.ones(4, 3), *[nan] * units.WINDOW) == [0.0, 0.0]
