"""Conditions and findings of a real training, watched from beside."""

from __future__ import annotations

import json

from dlmon_probes.control import ControlPage
from tests.support import Dlmon, events, of_kind, output, wait_for

TRAIN = """\
import time
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
try:
    for step in range(100_000):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        time.sleep(0.002)
except KeyboardInterrupt:
    print("saved after step", step, flush=True)
    raise RuntimeError("its own way to end")
"""


def test_a_break_a_stop_and_a_command_for_the_crash(dlmon: Dlmon) -> None:
    dlmon.script("train.py", TRAIN)
    run = dlmon.start(
        "--headless", "--break-when", "step == 20", "--stop-when", "loss < 0.05 and not val_loss > 1 or step > 400",
        "--stop-when", "val_loss.stale(5)", "--on-finding", "cat >> found.jsonl", "train.py",
    )  # fmt: skip
    folder = dlmon.folder()
    paused = wait_for(lambda: of_kind(events(folder, "rank0.jsonl"), "control"), "the pause")
    assert paused[0]["action"] == "paused"
    assert paused[0]["step"] == 20
    watched = wait_for(lambda: of_kind(events(folder), "watched"), "the watcher to tell of it")
    assert watched[0]["text"].startswith("the training paused: `step == 20`")
    page = ControlPage(str(folder))
    page.resume()
    page.close()

    _, said = run.communicate(timeout=60)
    assert run.returncode == 1  # the script's own
    assert "saved after step" in output(folder)
    stops = [row for row in of_kind(events(folder), "watched") if row["action"] == "stop"]
    assert len(stops) == 1
    assert stops[0]["step"] == 401
    pauses = [row["action"] for row in of_kind(events(folder, "rank0.jsonl"), "control")]
    assert pauses.count("paused") == 2  # SIGINT came while it waited between two steps
    assert [row["signal"] for row in of_kind(events(folder), "signal")] == ["SIGINT"]
    assert "the training paused: `step == 20` at step 20 (step 20)" in said
    assert "asked the training to stop: `loss < 0.05" in said
    assert "`val_loss.stale(5)` could not be judged: no val_loss was reported" in said
    rows = [json.loads(line) for line in (dlmon.cwd / "found.jsonl").read_text().replace("}{", "}\n{").splitlines()]
    assert [row["id"] for row in rows] == ["crash.other"]
    assert rows[0]["run"] == folder.name


def test_a_slip_in_a_condition_is_shown_before_anything_starts(dlmon: Dlmon) -> None:
    dlmon.script("train.py", TRAIN)
    done = dlmon("--break-when", "loss > > 1", "train.py")
    assert done.returncode == 2
    assert (
        done.stderr
        == "dlmon: --break-when: expected a fact, such as `loss`, or a number, found `>`\n  loss > > 1\n         ^\n"
    )
    assert not dlmon.runs.exists()
