"""Fixtures that several areas share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Dlmon

# Small trainings, several at once: with a thread each instead of all cores each, they take a third of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def dlmon(tmp_path: Path) -> Iterator[Dlmon]:
    """The real command, in an empty folder."""
    command = Dlmon(tmp_path)
    yield command
    command.clean_up()
