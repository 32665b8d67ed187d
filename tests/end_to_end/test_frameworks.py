"""The same promise for programs that leave the loop to a framework: Lightning, transformers' Trainer, Accelerate."""

from __future__ import annotations

import importlib.util

import pytest

from tests.end_to_end.cases import FRAMEWORK_CASES
from tests.end_to_end.conftest import Twins
from tests.end_to_end.test_diagnosis import alarms
from tests.end_to_end.test_same_result import assert_recorded, assert_same


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", FRAMEWORK_CASES)
def test_the_result_is_the_same_in(framework: str, twins: Twins) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    case = FRAMEWORK_CASES[framework]
    plain, recorded = twins(case)
    assert plain.code == 0, b"\n".join(plain.lines[-15:]).decode(errors="replace")
    assert_same(case, plain, recorded)
    assert_recorded(case, recorded)
    assert alarms(recorded) == case.findings
