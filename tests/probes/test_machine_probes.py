"""What the probes tell of crashes before torch, of memory, and of several ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dlmon_probes import control
from tests.probes.injected import environment, read_events, run_script

EARLY = """
def load():
    import cv2_is_not_here

load()
import torch
"""


def early(tmp_path: Path, pid: int) -> list[dict[str, object]]:
    folder = tmp_path / "run"
    folder.mkdir()
    control.create(str(folder))
    (folder / "run.json").write_text(json.dumps({"supervisor_pid": pid}))
    script = tmp_path / "train.py"
    script.write_text(EARLY)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "ModuleNotFoundError: No module named 'cv2_is_not_here'" in done.stderr
    assert "dlmon" not in done.stderr
    return read_events(folder)


def test_a_program_that_fails_before_torch_is_told(tmp_path: Path) -> None:
    events = early(tmp_path, os.getpid())
    assert [event["k"] for event in events] == ["hello", "crash"]
    crash = events[1]
    assert (crash["type"], crash["message"]) == ("ModuleNotFoundError", "No module named 'cv2_is_not_here'")
    frames = crash["frames"]
    assert isinstance(frames, list) and [frame["where"]["line"] for frame in frames if frame["user"]] == [5, 3]


def test_helpers_of_a_program_may_fail_as_they_like(tmp_path: Path) -> None:
    assert early(tmp_path, 1) == []


SCRIPT = """
import os, sys, time
import torch, torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29411")
torch.manual_seed(0)
before = torch.get_rng_state()

def train(model, steps, group):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for i in range(steps):
        x, y = torch.full((8, 4), 1.0 + i), torch.zeros(8, dtype=torch.long)
        loss = F.cross_entropy(model(x), y)
        opt.zero_grad(); loss.backward(); opt.step()
        time.sleep(0.02)

train(nn.Linear(4, 3), 30, False)  # one process: no checksums
net = nn.Linear(4, 3)
# A group of two of which only this one is here: nothing may wait for the other.
dist.is_initialized = lambda: True
dist.get_world_size = lambda: 2
dist.get_rank = lambda: 1
train(net, 12, True)
logits = net(torch.ones(4, 4))
labels = torch.tensor([0, 1, 2, 3])
F.cross_entropy(logits, labels)
"""


def test_memory_checksums_and_the_loss_that_failed(tmp_path: Path) -> None:
    run = run_script(tmp_path, SCRIPT)
    usage = run.of("usage")
    assert usage and all(event["rss"] > 50 << 20 for event in usage)
    sums = run.of("checksum")
    assert sums and {(event["rank"], event["world"]) for event in sums} == {(1, 2)}
    assert min(event["step"] for event in sums) >= 30, "a single process has nobody to be compared with"
    assert len({tuple(event["sums"]) for event in sums}) == len(sums), "each step changed the weights"
    assert all(len(event["sums"]) == len(event["sizes"]) == len(event["p"]) == 2 for event in sums)
    paces = run.of("pace")
    assert paces and all(0 < event["before_backward"] < event["whole"] for event in paces)
    crash = run.one("crash")
    inner = crash["frames"][-1]
    assert inner["where"]["function"] == "cross_entropy"
    assert [row["path"] for row in inner["tensors"]][:2] == ["input", "target"]
    assert inner["tensors"][1]["facts"]["max"] == 3
    assert not run.of("probe_error")


GPU_FAILED = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

y = torch.arange(320) % 3
y[-4] = 7
model = nn.Linear(4, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for i, (x, labels) in enumerate(DataLoader(TensorDataset(torch.randn(320, 4), y), batch_size=8)):
    if i == 39:  # what a GPU says of the label 7
        raise RuntimeError("CUDA error: device-side assert triggered")
    loss = nn.functional.cross_entropy(model(x), labels)
    opt.zero_grad(); loss.backward(); opt.step()
"""


def test_the_last_batch_is_told_when_the_device_cannot_be_asked(tmp_path: Path) -> None:
    batch = run_script(tmp_path, GPU_FAILED, DLMON_OVERHEAD="0.0001").one("last_batch")
    assert batch["step"] == 39
    assert [(row["path"], row["facts"]["max"]) for row in batch["tensors"]][1] == ("[1]", 7)


STANDING = """
import os, signal, time, torch
net = torch.nn.Linear(2, 1)
def wait(path, until):
    while not until(path):
        time.sleep(0.02)
for i in range(3):
    net(torch.ones(4, 2)).sum().backward()
def told(path):
    return any('"place"' in open(os.path.join(path, name)).read() for name in os.listdir(path) if "rank" in name)
wait(os.environ["DLMON_RUN"], told)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_where_a_killed_program_was_last_seen(tmp_path: Path) -> None:
    run = run_script(tmp_path, STANDING)
    assert run.code == -9 and not run.of("probe_error")
    where = run.of("place")[-1]["where"]
    assert where["function"] in ("told", "wait", "<module>", "<genexpr>") and where["file"].endswith("train.py")
