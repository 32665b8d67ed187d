"""Broken scripts are named for what they are, healthy ones are left in peace.

Each script in sample_tasks/broken says which finding it should raise, in a line `# finding: <id>`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlmon.checks.finding import HINT
from dlmon.view import RunFollower
from tests.end_to_end.cases import HEALTHY, Case, parameters
from tests.end_to_end.conftest import Twins
from tests.end_to_end.twins import SAMPLES, Recorded, environment, run_recorded

BROKEN = sorted((SAMPLES / "broken").glob("*.py"))


@pytest.mark.parametrize("script", BROKEN, ids=lambda path: path.stem)
def test_a_broken_script_is_named(script: Path, tmp_path: Path) -> None:
    expected = expected_finding(script)
    recorded = run_recorded([str(script)], tmp_path)
    findings = reported(recorded.folder)
    named = {finding["id"]: finding for finding in findings if finding["severity"] != HINT}
    assert expected in named, f"named instead: {[(f['id'], f['title']) for f in findings]}"
    finding = named[expected]
    assert finding["where"] is not None and Path(finding["where"]["file"]).name == script.name
    assert 1 <= finding["where"]["line"] <= len(script.read_text().splitlines())
    # The cause comes first, not one of its consequences.
    assert findings[0]["id"] == expected, [f["id"] for f in findings]


@pytest.mark.parametrize("case", parameters(HEALTHY))
def test_a_healthy_script_raises_no_alarm(case: Case, twins: Twins) -> None:
    _, recorded = twins(case)
    assert alarms(recorded) == case.findings


def expected_finding(script: Path) -> str:
    found = re.search(r"^# finding: (\S+)$", script.read_text(), re.MULTILINE)
    assert found, f"{script.name} does not say which finding it should raise"
    return found[1]


def reported(run: Path) -> list[dict[str, Any]]:
    """What `dlmon findings RUN --json` says."""
    result = subprocess.run(
        [sys.executable, "-m", "dlmon", "findings", str(run), "--json"],
        env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.stdout, result.stderr
    findings: list[dict[str, Any]] = json.loads(result.stdout)
    return findings


def alarms(recorded: Recorded) -> frozenset[str]:
    """Ids of the errors and warnings of a finished run."""
    follower = RunFollower(recorded.folder)
    while follower.advance():
        pass
    return frozenset(f.id for f in follower.view().judgement.findings if f.severity != HINT)
