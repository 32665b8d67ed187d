"""Facts of schedulers, gradient scalers, idle optimizers and frozen weights, from one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.probes.injected import run_script

SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
body, head = nn.Linear(8, 16).requires_grad_(False), nn.Linear(16, 3)
net = nn.Sequential(body, nn.ReLU(), head)
optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
forgotten = torch.optim.Adam(head.parameters(), lr=0.1)
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=3)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
chained = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [3])
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max")
scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
for step in range(12):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(torch.randn(4, 8)), torch.randint(0, 3, (4,)))
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    chained.step()
    if step % 4 == 3:
        plateau.step(0.5 + step / 100)
"""


def test_what_a_run_tells_of_its_loop(tmp_path: Path) -> None:
    run = run_script(tmp_path, SCRIPT)
    assert run.code == 0 and not run.of("probe_error"), run.stderr
    last = {event["cls"]: event for event in run.of("schedule")}
    assert set(last) == {"SequentialLR", "ReduceLROnPlateau"}  # not those that it is made of, nor their construction
    assert last["SequentialLR"]["calls"] == 12 and last["SequentialLR"]["at"] == list(range(12))
    assert last["SequentialLR"]["where"]["text"] == "chained.step()" and last["SequentialLR"]["optimizer"] == 0
    plateau = last["ReduceLROnPlateau"]
    assert (
        plateau["metrics"] == pytest.approx([0.53, 0.57, 0.61])
        and plateau["options"]["mode"] == "max"
        and plateau["at"] == [3, 7, 11]
    )
    ops = [
        call["op"] for call in run.of("order")[1]["calls"]
    ]  # from one backward to the next: there are two optimizers
    assert ops == ["backward", "unscale", "clip", "scaled_step", "step", "schedule", "zero_grad", "scale"]
    assert run.one("beginning")["seed"] == 0
    frozen = run.one("frozen_weights")
    bound = 8**-0.5  # torch's default: uniform within ±1/√fan_in
    assert len(frozen["p"]) == 1 and 0.8 * bound < frozen["max_abs"][0] <= bound
    idle = run.of("loop_totals")[-1]
    assert [row["where"]["text"] for row in idle["idle"]] == ["forgotten = torch.optim.Adam(head.parameters(), lr=0.1)"]
    assert idle["moved"] is True and idle["ended"]  # the other optimizer moves them
