"""Fixtures that several areas share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Dlmon


@pytest.fixture
def dlmon(tmp_path: Path) -> Iterator[Dlmon]:
    """The real command, in an empty folder."""
    command = Dlmon(tmp_path)
    yield command
    command.clean_up()
