"""`dlmon replay` on other tools' logs, `dlmon export`, and the live mirror: the real command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlmon.interop.readers.tensorboard import TensorBoardReader
from tests.app.terminal import Terminal
from tests.interop.made import event_file, points, read_all, write
from tests.support import Dlmon, ended, running, wait_for

EVENTS = "events.out.tfevents.1700000000.host.1.0"
TRAIN = """\
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range({steps}):
    x = torch.randn(16, 4)
    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    {each}
print("done")
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of imported runs, away from the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg"


def old(path: Path) -> Path:
    """As if nothing had been written for long."""
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def log(steps: int, first: int = 0) -> bytes:
    return event_file((step, {"train/loss": 2.0 - step / 64, "lr": 0.125}) for step in range(first, first + steps))


@pytest.mark.usefixtures("cache")
def test_replay_export_and_findings_of_event_files(dlmon: Dlmon) -> None:
    old(write(dlmon.cwd / "tb" / EVENTS, log(64)))
    replayed = dlmon("replay", "tb", "--headless")
    assert replayed.returncode == 0
    assert "first train/loss 2.00 at step 0" in replayed.stderr
    assert "64 steps, its log ends here, and holds no exit code" in replayed.stderr

    rows = [json.loads(line) for line in dlmon("replay", "tb", "--json").stdout.splitlines()]
    assert sum(len(row["at"]) for row in rows if row["k"] == "steps") == 64

    exported = dlmon("export", "tb", "--csv", "-", "--tensorboard", "copy")
    assert exported.returncode == 0
    assert exported.stdout.splitlines()[:2] == [
        "step,time,train/loss,lr,step_seconds",
        "0,1700000000.0,2.0,0.125,",
    ]
    assert len(exported.stdout.splitlines()) == 65
    copied = points(read_all(TensorBoardReader(dlmon.cwd / "copy")), "train/loss")
    assert copied == [(step, 2.0 - step / 64) for step in range(64)]


@pytest.mark.usefixtures("cache")
def test_errors_are_one_line(dlmon: Dlmon) -> None:
    write(dlmon.cwd / "bad.wandb", b"nothing of the kind")
    write(dlmon.cwd / "notes.txt", b"nothing of the kind")
    for name in ("bad.wandb", "notes.txt", "nowhere"):
        result = dlmon("replay", name, "--headless")
        assert result.returncode == 2
        assert result.stderr.startswith("dlmon: ")
        assert len(result.stderr.splitlines()) == 1
    assert dlmon("export", "nowhere", "--csv", "-").stdout == ""


def test_a_run_exported_again_and_again(dlmon: Dlmon) -> None:
    script = dlmon.script("train.py", TRAIN.format(steps=30, each="print(step)"))
    assert dlmon(script).returncode == 0
    result = dlmon("export", "last", "--jsonl", "a.jsonl", "--asciicast", "a.cast")
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (dlmon.cwd / "a.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(30))
    header, *lines = (json.loads(line) for line in (dlmon.cwd / "a.cast").read_text().splitlines())
    assert header["version"] == 2
    assert "".join(line[2] for line in lines).replace("\r", "").split() == [*map(str, range(30)), "done"]
    again = dlmon("export", "last", "--jsonl", "a.jsonl")
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.usefixtures("cache")
def test_an_old_log_is_played_on_the_screen(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    old(write(dlmon.cwd / "tb" / EVENTS, log(64)))
    terminal = open_terminal(dlmon, terminals, "replay", "tb")
    terminal.until("finished")
    assert "train/loss" in terminal.text()


@pytest.mark.usefixtures("cache")
def test_a_log_that_grows_is_followed_on_the_screen(dlmon: Dlmon, terminals: list[Terminal]) -> None:
    path = write(dlmon.cwd / "tb" / EVENTS, log(64))
    terminal = open_terminal(dlmon, terminals, "replay", "tb")
    terminal.until(r"step\s+64\b")
    with path.open("ab") as file:
        file.write(log(36, first=64))
    terminal.until(r"step\s+100\b")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.clean_up()


def open_terminal(dlmon: Dlmon, terminals: list[Terminal], *args: str) -> Terminal:
    terminals.append(Terminal(dlmon.cwd, *args))
    return terminals[-1]


def losses(folder: Path) -> list[tuple[int | None, float]]:
    return points(read_all(TensorBoardReader(folder)), "loss")


WAITING = "import os, time\n    while step == 10 and not os.path.exists('go'): time.sleep(0.01)"


def test_the_mirror_writes_while_the_training_runs(dlmon: Dlmon) -> None:
    script = dlmon.script("train.py", TRAIN.format(steps=40, each=WAITING))
    process = dlmon.start("--headless", "--tensorboard", "logs/tb", script)
    logs = dlmon.cwd / "logs" / "tb"
    wait_for(lambda: len(losses(logs)) >= 10, "the first steps as TensorBoard events")
    assert process.poll() is None
    dlmon.script("go", "")
    assert process.wait() == 0
    assert [step for step, _ in losses(logs)] == list(range(40))
    exported = dlmon("export", "last", "--tensorboard", "copy")
    assert exported.returncode == 0
    assert losses(dlmon.cwd / "copy") == losses(logs)


def test_the_mirror_outlives_who_started_it(dlmon: Dlmon) -> None:
    script = dlmon.script("train.py", TRAIN.format(steps=40, each=WAITING))
    process = dlmon.start("--headless", "--tensorboard", "tb", script)
    running(dlmon.folder())
    wait_for(lambda: len(losses(dlmon.cwd / "tb")) >= 10, "the first steps as TensorBoard events")
    process.kill()
    process.wait()
    dlmon.script("go", "")
    assert ended(dlmon.folder()).outcome is not None
    wait_for(lambda: len(losses(dlmon.cwd / "tb")) == 40, "all steps as TensorBoard events")


def test_a_folder_with_event_files_is_refused_before_anything_starts(dlmon: Dlmon) -> None:
    write(dlmon.cwd / "tb" / EVENTS, log(1))
    result = dlmon("--tensorboard", "tb", dlmon.script("train.py", "print('ran')"))
    assert result.returncode == 2
    assert "holds event files already" in result.stderr
    assert not dlmon.runs.exists()
