"""A script must not notice the overlay: random file operations have the same outcomes with and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.probes.injected import run_script
from tests.stages import file_operations
from tests.stages.watched import rehearse, state

SOURCE = Path(file_operations.__file__).read_text()
OPERATIONS = "120"


@pytest.mark.parametrize("seed", range(12))
def test_random_operations_come_out_the_same_and_change_nothing(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, overlaid = tmp_path / "plain", tmp_path / "overlaid"
    for folder in (plain, overlaid):
        folder.mkdir()
        monkeypatch.chdir(folder)
        file_operations.lay_out()
    before = state(overlaid)

    expected = run_script(plain, SOURCE, str(seed), OPERATIONS, plain=True)
    found = rehearse(overlaid, SOURCE, str(seed), OPERATIONS)

    assert expected.code == 0, expected.stderr
    assert state(plain) != before, "nothing was changed: the test would pass without an overlay"
    assert found.stdout.splitlines() == expected.stdout.splitlines()
    assert (found.code, found.stderr) == (0, "")
    assert state(overlaid) == before


def test_the_overlay_is_what_keeps_the_folder_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without DLMON_STAGE changes it: `state` sees what there is to see."""
    monkeypatch.chdir(tmp_path)
    file_operations.lay_out()
    before = state(tmp_path)
    run = run_script(tmp_path, "import os\nopen('x', 'w').close()\nos.remove('x')")
    assert run.code == 0
    assert state(tmp_path) == before  # the top folder's own time is left out
    (tmp_path / "run").rename(tmp_path / "d" / "run-before")
    before = state(tmp_path)
    run = run_script(tmp_path, "import os\nopen('d/x', 'w').close()\nos.remove('d/x')")
    assert run.code == 0 and state(tmp_path) != before
