"""`dlmon step` on a real terminal, over real training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlmon.record.manifest import read_manifest
from tests.app.terminal import Terminal
from tests.support import Dlmon, kill

TRAIN = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x[:, 0] > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
for epoch in range(400):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(features), labels)
        loss.backward()
        optimizer.step()
torch.save(model.state_dict(), "model.pt")
"""
ENTER = "\r"


@pytest.fixture
def terminals(dlmon: Dlmon) -> Iterator[list[Terminal]]:
    """Terminals, and the runs that they leave, are ended with the test."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.clean_up()
    for path in dlmon.runs.glob("*/*/run.json"):
        manifest = read_manifest(path.parent)
        if manifest is not None and manifest.outcome is None:
            for pid in (manifest.pid, manifest.supervisor_pid):
                kill(pid)


def _record(dlmon: Dlmon) -> dict[str, str]:
    (path,) = dlmon.runs.glob("*/rehearsal.json")
    return {stage["name"]: stage["verdict"] for stage in json.loads(path.read_text())["stages"]}


@pytest.mark.slow
def test_stepping_through_a_rehearsal_and_a_lost_connection(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    script = Path(dlmon.cwd / dlmon.script("train.py", TRAIN))
    screen = Terminal(dlmon.cwd, "step", "--stages", "review,smoke,overfit", "train.py")
    terminals.append(screen)

    screen.until(r"train\.py   review is next   enter runs review")
    screen.press(ENTER)
    screen.until(r"✓ review   pass")
    screen.press(ENTER)
    screen.until(r"✓ smoke    pass")
    assert not (dlmon.cwd / "model.pt").exists(), "what the script saved went to the stage's folder"

    # The script is read anew, and what changed is said.
    script.write_text(TRAIN.replace("lr=0.003", "lr=0.002"))
    screen.press("r")
    screen.until(r"smoke again: train\.py: 1 line changed")
    screen.until(r"✓ smoke    pass")

    # One optimizer step at a time.
    screen.press(ENTER)
    screen.until(r"overfit  running")
    screen.press(" ")
    paused = re.search(r"paused after step (\d+)", screen.until(r"now +paused after step \d"))
    assert paused is not None
    step = int(paused[1])
    for done in (1, 2):
        screen.press(".")
        screen.until(rf"now +paused after step {step + done} +loss [\d.e-]+, was [\d.e-]+")
    screen.until(rf"gradients .*at step {step + 1}")

    # The connection is lost; the stage, paused as it is, waits to be come back to.
    screen.hang_up()
    folder = next(dlmon.runs.glob("*-rehearsal")).name
    again = Terminal(dlmon.cwd, "attach", folder)
    terminals.append(again)
    again.until(rf"overfit paused after step {step + 2}")
    again.press(" ")
    again.until(r"✓ overfit  pass")
    again.press("e2")
    again.until(r"overfit: curves")
    again.press("q")
    again.until(r"1 stages")
    again.press("q")
    assert again.wait() == 0
    folder = next(dlmon.runs.glob("*-rehearsal")).name
    assert re.sub(rb"\s", b"", again.raw).endswith(
        f"3passed,recordedindlmon_runs/{folder};comebackwith:dlmonattach{folder}".encode()
    )
    assert _record(dlmon) == {"review": "pass", "smoke": "pass", "overfit": "pass"}
    assert sorted(path.name for path in dlmon.cwd.iterdir()) == ["dlmon_runs", "train.py"]


@pytest.mark.slow
def test_a_stage_that_fails_ends_with_one(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    dlmon.script("train.py", TRAIN.replace("        optimizer.zero_grad()\n", ""))
    screen = Terminal(dlmon.cwd, "step", "--stages", "smoke,overfit", "train.py")
    terminals.append(screen)
    screen.until(r"smoke is next")
    screen.press("a")
    screen.until(r"smoke failed")
    screen.until(r"next  ")
    screen.until(r"✗ .*(gradients|cleared).*train\.py:\d+")
    screen.press("q")
    assert screen.wait() == 1
    assert _record(dlmon) == {"smoke": "fail"}, "auto stopped there"
