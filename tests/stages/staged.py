"""Runs a script as one stage of a rehearsal, without the driver."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from dlmon_probes.stages.plan import Plan
from tests.probes.injected import Run, run_script

# A model that learns quickly, a loader of 20 batches and one for evaluation.
PREAMBLE = """
import sys, torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
torch.manual_seed(0)
x = torch.randn(160, 6)
y = (x[:, 0] > 0).long()
train = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
test = DataLoader(TensorDataset(x[:64], y[:64]), batch_size=8)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

def step(xb, yb):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(xb), yb)
    loss.backward()
    optimizer.step()
    return loss.item()

def evaluate():
    model.eval()
    with torch.no_grad():
        seen = sum(len(model(xb)) for xb, yb in test)
    model.train()
    return seen
"""


def stage(tmp_path: Path, source: str, plan: Plan, *arguments: str, **more: str) -> Run:
    """Run PREAMBLE and `source` as the stage that `plan` describes."""
    script = textwrap.dedent(PREAMBLE) + textwrap.dedent(source)
    return run_script(tmp_path, script, *arguments, DLMON_STAGE=plan.encoded(), **more)


def ends(run: Run) -> list[dict[str, Any]]:
    """The notes with which the stage ended the script: one, or none when the script came to its own end."""
    return [note for note in run.of("stage") if note["action"] == "end"]


def changes(run: Run) -> list[str]:
    return [note["detail"] for note in run.of("stage") if note["action"] == "change"]
