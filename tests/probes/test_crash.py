"""Uncaught exceptions: the facts beside the traceback, and a traceback that reads as it would have without dlmon."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes import control
from tests.probes.injected import environment, run_script

NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.head = nn.Linear(100, 3)
        def forward(self, pictures):
            features = self.conv(pictures).flatten(1)
            return self.head(features)

    net = Net()
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
"""


def same_as_plain(tmp_path: Path, source: str) -> Any:
    run, plain = run_script(tmp_path, source), run_script(tmp_path, source, plain=True)
    assert (run.code, run.stdout, run.stderr) == (plain.code, plain.stdout, plain.stderr)
    return run


def test_shape_mismatch_in_the_first_forward(tmp_path: Path) -> None:
    run = same_as_plain(tmp_path, NET + "\n    out = net(torch.ones(2, 1, 8, 8))\n")
    assert run.code == 1
    crash = run.one("crash")
    assert crash["type"] == "RuntimeError" and "(2x144 and 100x3)" in crash["message"]
    assert (crash["phase"], crash["step"]) == ("forward", 0)
    module = crash["module"]
    assert (module["name"], module["cls"]) == ("head", "Linear")
    assert module["options"] == "in_features=100, out_features=3"
    assert [(p["path"], p["facts"]["shape"]) for p in module["parameters"]] == [("weight", [3, 100]), ("bias", [3])]
    assert [(i["path"], i["facts"]["shape"]) for i in module["inputs"]] == [("input", [2, 144])]

    user = [frame for frame in crash["frames"] if frame["user"]]
    assert [frame["where"]["text"] for frame in user] == [
        "out = net(torch.ones(2, 1, 8, 8))",
        "return self.head(features)",
    ]
    tensors = {t["path"]: t["facts"] for t in user[1]["tensors"]}
    assert tensors["features"]["shape"] == [2, 144] and tensors["features"]["max"] is not None
    assert tensors["pictures"]["shape"] == [2, 1, 8, 8]
    assert tensors["self.conv.weight"]["shape"] == [4, 1, 3, 3]
    assert not any("dlmon" in frame["where"]["file"] for frame in crash["frames"])
    # The process had not trained yet: its model is told for the sake of the crash.
    assert run.one("model")["cls"] == "Net"
    assert run.events[0]["k"] == "hello" and run.events[-1]["k"] == "end"


def test_a_broken_sample_and_exceptions_raised_from_others(tmp_path: Path) -> None:
    source = """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader

        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 10
            def __getitem__(self, i):
                try:
                    return torch.ones(3), {0: 0, 1: 1, 2: 2}[i // 3]
                except KeyError as error:
                    raise ValueError(f"no label for {i}") from error

        net = nn.Linear(3, 3)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for a, b in DataLoader(Data(), batch_size=3):
            loss = nn.functional.cross_entropy(net(a), b)
            loss.backward()
            opt.step()
    """
    run = same_as_plain(tmp_path, source)
    crash = run.one("crash")
    assert (crash["type"], crash["message"]) == ("ValueError", "no label for 9")
    assert (crash["phase"], crash["step"], crash["module"]) == ("data", 3, None)


def test_phases(tmp_path: Path) -> None:
    backward = NET + "\n    net.conv(torch.ones(1, 1, 8, 8)).backward()\n"
    assert same_as_plain(tmp_path / "backward", backward).one("crash")["phase"] == "backward"


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    (tmp_path / "backward").mkdir()


def test_no_crash_where_there_is_none(tmp_path: Path) -> None:
    train = NET + "\n    net.conv(torch.ones(1, 1, 8, 8)).sum().backward()\n    opt.step()\n"
    for name, ending in {"interrupt": "raise KeyboardInterrupt", "exit": "raise SystemExit(3)"}.items():
        folder = tmp_path / name
        folder.mkdir()
        run = same_as_plain(folder, f"{train}    {ending}\n")
        assert run.of("crash") == [] and run.of("end")


def test_launchers_and_workers_write_nothing(tmp_path: Path) -> None:
    source = """
        import multiprocessing, subprocess, sys, torch
        def child():
            raise RuntimeError("in a worker")
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=child)
            process.start()
            process.join()
            class ChildFailedError(Exception):
                __module__ = "torch.distributed.elastic.multiprocessing.errors"
            raise ChildFailedError("rank 0 failed")
    """
    run = run_script(tmp_path, source)
    assert run.code == 1
    assert list(run.folder.glob("rank*")) == [] and list(run.folder.glob("stacks*")) == []


def test_the_users_own_excepthook_still_decides(tmp_path: Path) -> None:
    source = (
        NET
        + """
    import sys
    sys.excepthook = lambda kind, error, trace: print("mine:", error)
    net(torch.ones(2, 1, 8, 8))
    """
    )
    run = same_as_plain(tmp_path, source)
    assert run.stdout.startswith("mine: mat1 and mat2")
    assert run.one("crash")["module"]["name"] == "head"


# ---------------------------------------------------------------- stacks


def wait_for(condition: Any, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)


def start(tmp_path: Path, source: str) -> tuple[subprocess.Popen[str], Path]:
    script, folder = tmp_path / "train.py", tmp_path / "run"
    script.write_text(textwrap.dedent(source))
    folder.mkdir(mode=0o700)
    control.create(str(folder))
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, env=environment(folder), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process, folder


HANG = (
    NET
    + """
    net.conv(torch.ones(1, 1, 8, 8)).sum().backward()
    opt.step()
    def waits_here():
        print("ready", flush=True)
        return input()
    waits_here()
"""
)


def test_stacks_when_a_screen_asks(tmp_path: Path) -> None:
    process, folder = start(tmp_path, HANG)
    page = control.ControlPage(str(folder))
    page.add(control.STACKS_REQUEST)
    stacks = folder / f"stacks-{process.pid}.txt"
    wait_for(lambda: "waits_here" in stacks.read_text(), process)
    out, err = process.communicate("\n")
    assert (process.returncode, out, err) == (0, "", "")
    assert stacks.read_text().startswith("==== ")


def test_a_fatal_signal_leaves_stacks_and_its_own_exit_code(tmp_path: Path) -> None:
    process, folder = start(tmp_path, HANG)
    process.send_signal(signal.SIGSEGV)
    _, err = process.communicate()
    assert (process.returncode, err) == (-signal.SIGSEGV, "")
    assert "waits_here" in (folder / f"stacks-{process.pid}.txt").read_text()


def test_an_empty_stacks_file_does_not_stay(tmp_path: Path) -> None:
    process, folder = start(tmp_path, HANG)
    process.communicate("\n")
    assert process.returncode == 0
    assert list(folder.glob("stacks-*")) == []
    assert (folder / "rank0.jsonl").exists()
