"""Twins are run once for all tests that look at them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.cases import Case
from tests.end_to_end.twins import Ended, Recorded, run_twins

# gloo aborts now and then while a finished program of several ranks ends: 1 of 9 runs without dlmon, on a busy machine.
TORN_DOWN = b"terminate called without an active exception"
ATTEMPTS = 4

Twins = Callable[[Case], tuple[Ended, Recorded]]


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    done: dict[str, tuple[Ended, Recorded]] = {}

    def run(case: Case) -> tuple[Ended, Recorded]:
        for _ in range(ATTEMPTS):
            if case.name in done and not any(TORN_DOWN in line for one in done[case.name] for line in one.lines):
                break
            done[case.name] = run_twins(case.argv(), tmp_path_factory.mktemp(case.name), stdin=case.stdin)
        return done[case.name]

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the same twins go to the same worker."""
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if isinstance(case, Case):
            item.add_marker(pytest.mark.xdist_group(case.name))
