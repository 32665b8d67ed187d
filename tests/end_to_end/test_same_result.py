"""The first promise: with the same seed, losses, weights, random states and exit code are the same under dlmon.

Every program prints its losses in full precision and a digest of its weights; the twins' outputs must be equal, line
by line. That dlmon was really there is seen from the log: it holds the steps, and no probe failed.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from tests.end_to_end.cases import HEALTHY, Case, parameters
from tests.end_to_end.conftest import Twins
from tests.end_to_end.twins import STRANGERS, Ended, Recorded, run_twins


@pytest.mark.parametrize("case", parameters(HEALTHY))
def test_the_result_is_the_same(case: Case, twins: Twins) -> None:
    plain, recorded = twins(case)
    assert plain.code == case.code, b"\n".join(plain.lines[-15:]).decode(errors="replace")
    assert_same(case, plain, recorded)
    assert_recorded(case, recorded)


@pytest.mark.parametrize("name", ["stripes_cnn", "plain_loop"])
def test_the_log_holds_the_losses_that_the_script_saw(name: str, twins: Twins) -> None:
    _, recorded = twins(next(case for case in HEALTHY if case.name == name))
    printed = [float(line.split()[-1]) for line in recorded.lines if b" loss " in line and b":" not in line]
    logged = recorded.losses()["loss"]
    assert [_float32(value) for value in logged] == [_float32(value) for value in printed]


def test_a_module_run_with_m(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join(filter(None, [str(STRANGERS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)
    case = Case("pkg_train", 18, ("-m", "pkg_train", "18"))
    plain, recorded = run_twins(case.argv(), tmp_path)
    assert plain.code == 0
    assert_same(case, plain, recorded)
    assert_recorded(case, recorded)


def assert_same(case: Case, plain: Ended, recorded: Recorded) -> None:
    expected, got = kept(case, plain.lines), kept(case, recorded.lines)
    assert expected, "the program printed nothing that could be compared"
    assert got == expected
    assert recorded.code == plain.code


def assert_recorded(case: Case, recorded: Recorded) -> None:
    assert not recorded.events("probe_error"), recorded.events("probe_error")[0].get("trace")
    if case.bystander:
        assert not recorded.rows
    elif case.steps is None:
        assert recorded.steps >= 1
    else:
        assert recorded.steps == case.steps


def kept(case: Case, lines: list[bytes]) -> list[bytes]:
    if case.pattern:
        return sorted(re.findall(case.pattern, b"\n".join(lines)))
    return [line for line in lines if not case.only or any(word in line for word in case.only)]


def _float32(value: float) -> float:
    result: float = struct.unpack("f", struct.pack("f", value))[0]
    return result
