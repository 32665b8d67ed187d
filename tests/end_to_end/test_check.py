"""`dlmon check` on whole programs: broken ones fail at the stage that can see it, healthy ones do not, and nothing in
the user's project changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlmon.launch import processes
from tests.end_to_end.test_diagnosis import expected_finding
from tests.end_to_end.twins import SAMPLES, STRANGERS, environment
from tests.support import wait_for

CHEAP = "review,smoke,engine,overfit"
TIMEOUT = 240

# Where each broken sample is seen first by its own finding, and what that needs beside the stages of `check`.
SEEN_IN = {
    "eval_mode_left_on": "smoke", "labels_out_of_range": "subset", "lr_too_high": "smoke", "mse_broadcast": "smoke",
    "nan_log_zero": "overfit", "never_overfits": "smoke", "no_zero_grad": "smoke", "shape_mismatch": "smoke",
    "softmax_before_ce": "smoke", "zero_grad_after_backward": "smoke",
}  # fmt: skip


@dataclass
class Checked:
    """What `dlmon check --json` said."""

    code: int
    result: dict[str, Any]
    stderr: str
    folder: Path

    def stage(self, name: str) -> dict[str, Any]:
        return next(stage for stage in self.result["stages"] if stage["name"] == name)

    def item(self, stage: str, name: str) -> dict[str, Any]:
        return next(item for item in self.stage(stage)["items"] if item["name"] == name)

    @property
    def verdicts(self) -> dict[str, str]:
        return {stage["name"]: stage["verdict"] for stage in self.result["stages"]}


def check(cwd: Path, *arguments: str, **more: str) -> Checked:
    done = subprocess.run(
        [sys.executable, "-m", "dlmon", "check", "--json", *arguments],
        cwd=cwd, env={**environment(), **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT,
    )  # fmt: skip
    assert done.stdout, f"exit code {done.returncode}\n{done.stderr}"
    folders = sorted((cwd / "dlmon_runs").glob("*-rehearsal"))
    manifests = [json.loads(path.read_text()) for path in folders[-1].glob("*/run.json")]
    assert all(manifest["outcome"] for manifest in manifests), "nothing that was started in advance goes on"
    return Checked(done.returncode, json.loads(done.stdout), done.stderr, folders[-1])


def project(tmp_path: Path, script: Path) -> Path:
    """A copy of a script in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(script, folder)
    return folder


def listing(folder: Path) -> dict[str, str]:
    """Every file and folder of the user's with a hash of what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not name.startswith("dlmon_runs") and "__pycache__" not in name:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def quick(names: Iterable[str], *kept: str) -> list[Any]:
    """Names as parameters; all but those kept are slow proofs."""
    return [pytest.param(name, marks=() if name in kept else pytest.mark.slow) for name in sorted(names)]


@pytest.mark.parametrize("name", quick(SEEN_IN, "softmax_before_ce", "labels_out_of_range"))
def test_a_broken_sample_fails_where_it_can_be_seen(name: str, tmp_path: Path) -> None:
    script = SAMPLES / "broken" / f"{name}.py"
    expected, stage = expected_finding(script), SEEN_IN[name]
    stages = CHEAP if stage != "subset" else "smoke,subset"
    folder = project(tmp_path, script)
    before = listing(folder)
    checked = check(folder, "--stages", stages, script.name)
    assert checked.code == checked.result["exit_code"] == 1
    assert listing(folder) == before
    assert checked.verdicts[stage] == "fail", checked.verdicts
    findings = {finding["id"]: finding for finding in checked.stage(stage)["findings"]}
    assert expected in findings, checked.stage(stage)
    assert findings[expected]["where"]["line"] >= 1
    assert checked.stage(stage)["next_step"]


HEALTHY = {
    "stripes_cnn": {"review": "pass", "smoke": "pass", "engine": "pass", "overfit": "pass"},
    "regression": {"review": "pass", "smoke": "pass", "engine": "pass", "overfit": "pass"},
    "segmentation": {"review": "pass", "smoke": "pass", "engine": "pass", "overfit": "pass"},
    "gan": {"review": "pass", "smoke": "pass", "engine": "inconclusive", "overfit": "inconclusive"},
    "char_transformer": {"review": "pass", "smoke": "pass", "engine": "pass", "overfit": "pass"},
}


@pytest.mark.parametrize("name", quick(HEALTHY, "stripes_cnn"))
def test_a_healthy_sample_passes_or_says_why_it_cannot_be_judged(name: str, tmp_path: Path) -> None:
    folder = project(tmp_path, SAMPLES / f"{name}.py")
    before = listing(folder)
    checked = check(folder, f"{name}.py")
    assert checked.code == 0
    assert checked.verdicts == HEALTHY[name]
    for stage in checked.result["stages"]:
        assert stage["summary"]
        if stage["verdict"] == "inconclusive":
            assert stage["next_step"]
    written = {os.path.relpath(file["path"], folder) for s in checked.result["stages"] for file in s["files"]
               if not file["stored"]}  # fmt: skip
    changed = {key for key in {**before, **listing(folder)} if before.get(key) != listing(folder).get(key)}
    assert changed <= written, "files of the project changed without being listed"


def test_the_items_of_smoke_carry_their_numbers(tmp_path: Path) -> None:
    checked = check(project(tmp_path, SAMPLES / "stripes_cnn.py"), "--stages", "smoke", "stripes_cnn.py")
    details = {item["name"]: item["detail"] for item in checked.stage("smoke")["items"]}
    assert "32×1×16×16" in details["data"]
    assert "ln 3 = 1.099" in details["loss"]
    assert "10 of 10" in details["backward"]
    assert {item["verdict"] for item in checked.stage("smoke")["items"]} <= {"pass", "unknown"}
    assert checked.item("smoke", "reproducible")["verdict"] == "pass"
    assert checked.item("smoke", "checkpoint")["verdict"] == "pass"


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["hf_trainer_tiny", "lightning_tiny", "accelerate_tiny"])
def test_trainers_go_through(name: str, tmp_path: Path) -> None:
    folder = project(tmp_path, STRANGERS / f"{name}.py")
    before = listing(folder)
    checked = check(folder, f"{name}.py")
    assert checked.code == 0, checked.result
    assert checked.verdicts["smoke"] == "pass"
    assert checked.verdicts["overfit"] == "pass"
    assert listing(folder) == before


def test_two_ranks_get_the_same_stages(tmp_path: Path) -> None:
    folder = project(tmp_path, SAMPLES / "ddp_two_ranks.py")
    checked = check(
        folder, "--stages", "smoke,overfit", "torchrun", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
        "--rdzv-endpoint", "localhost:0", "ddp_two_ranks.py",
    )  # fmt: skip
    assert checked.code == 0, checked.result
    assert checked.verdicts == {"smoke": "pass", "overfit": "pass"}
    ends = []
    for rank in (0, 1):
        rows = (checked.folder / "overfit" / f"rank{rank}.jsonl").read_text().splitlines()
        notes = [json.loads(row) for row in rows]
        ends.append([note["step"] for note in notes if note["k"] == "stage" and note["action"] == "end"][-1])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", quick(["get_batch_gpt", "dict_batch_next", "lbfgs_fit"]))
def test_public_style_scripts_go_through(name: str, tmp_path: Path) -> None:
    folder = project(tmp_path, STRANGERS / f"{name}.py")
    before = listing(folder)
    checked = check(folder, f"{name}.py")
    assert checked.code == 0, checked.result
    assert checked.verdicts["smoke"] == "pass"
    assert checked.verdicts["overfit"] in ("pass", "inconclusive")
    assert listing(folder) == before


SAVES = """
import sys, time, torch, pathlib
torch.manual_seed(0)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
print("resume" if pathlib.Path("model.pt").exists() else "begin")
pathlib.Path("logs").mkdir(exist_ok=True)
for step in range(1_000_000):
    optimizer.zero_grad()
    loss = model(torch.randn(16, 8)).pow(2).mean()
    loss.backward()
    optimizer.step()
    torch.save(model.state_dict(), "model.pt")
    with open("logs/log.csv", "a") as log:
        log.write(f"{step},{loss.item()}\\n")
"""


@pytest.mark.parametrize("number", quick(["KILL", "TERM", "INT"], "KILL"))
def test_a_rehearsal_that_is_killed_leaves_nothing_behind(number: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SAVES)
    (tmp_path / "model.pt").write_bytes(b"the only copy")
    before = listing(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "dlmon", "check", "--stages", "overfit,lr", "--overfit-steps", "1000000", "train.py"],
        cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        log = wait_for(lambda: next(tmp_path.glob("dlmon_runs/*/overfit/files.jsonl"), None), "a file that was written")
        wait_for(lambda: next(tmp_path.glob("dlmon_runs/*/lr/run.json"), None), "the stage that is started in advance")
        pids = wait_for(lambda: _pids(log.parents[1]), "the trainings' pids")
        subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
        code = process.wait(60)
        assert code == {"KILL": -9, "TERM": 143, "INT": 130}[number]
        wait_for(lambda: not any(map(processes.exists, pids)), "the end of all it started")
    finally:
        process.kill()
    assert listing(tmp_path) == before


def _pids(rehearsal: Path) -> list[int]:
    """Trainings and supervisors of both stages, once all are known."""
    found: list[int] = []
    for stage in ("overfit", "lr"):
        row = json.loads((rehearsal / stage / "run.json").read_text())
        found += [pid for pid in (row["pid"], row["supervisor_pid"]) if pid]
    return found if len(found) == 4 else []


NEVER_STEPS = """
import torch
model = torch.nn.Linear(4, 2)
print("only looking:", model(torch.ones(1, 4)).shape)
"""
NEEDS_ARGUMENTS = """
import argparse, torch
parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.parse_args()
"""
ONE_BATCH = """
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
x = torch.randn(8, 4)
loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)
for epoch in range(3):
    for xb, yb in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(xb), yb).backward()
        optimizer.step()
"""


def test_a_script_that_never_takes_a_step_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(NEVER_STEPS)
    checked = check(tmp_path, "--stages", "smoke,overfit", "train.py")
    assert checked.code == 1 and checked.verdicts == {"smoke": "fail", "overfit": "skipped"}
    summary = checked.stage("smoke")["summary"]
    assert "optimizer step" in summary and "only looking" in json.dumps(checked.stage("smoke"))


def test_a_script_that_needs_arguments_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(NEEDS_ARGUMENTS)
    checked = check(tmp_path, "--stages", "smoke", "train.py")
    assert checked.code == 1
    assert "argument" in checked.stage("smoke")["summary"] and "--data" in json.dumps(checked.stage("smoke"))


def test_a_loader_of_one_batch_is_not_held_against_the_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ONE_BATCH)
    checked = check(tmp_path, "--stages", "smoke,overfit", "train.py")
    assert checked.code == 0, checked.result


@pytest.mark.parametrize(
    "options, words",
    [
        (("--stages", "smoke,wind"), "no stage 'wind'"),
        (("--fraction", "0"), "--fraction 0"),
        (("--fraction", "150%"), "--fraction 1.5"),
        (("--fraction", "some"), "'some' is no part of the training data"),
        (("--overfit-steps", "0"), "--overfit-steps 0"),
        (("--timeout", "-1"), "--timeout -1"),
    ],
)
def test_options_out_of_bounds_are_one_line(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ONE_BATCH)
    done = subprocess.run(
        [sys.executable, "-m", "dlmon", "check", *options, "train.py"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert not (tmp_path / "dlmon_runs").exists()


def test_a_stage_that_takes_too_long_is_stopped_and_called_inconclusive(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time, torch\nprint('loading')\nwhile True:\n    time.sleep(0.1)\n")
    began = time.monotonic()
    checked = check(tmp_path, "--stages", "smoke", "--timeout", "4", "train.py")
    assert checked.verdicts == {"smoke": "inconclusive"} and time.monotonic() - began < 100
    assert "4" in checked.stage("smoke")["summary"]
