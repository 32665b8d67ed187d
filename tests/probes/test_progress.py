"""Progress bars on a terminal: events instead of escape codes, and nothing else changed."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
import textwrap
from pathlib import Path

import pytest

from dlmon_probes import control
from dlmon_probes.training import bars
from tests.probes.injected import Run, environment, read_events

pytest.importorskip("tqdm")

NET = """
    import os, sys, time
    import torch
    from torch import nn
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    def step():
        loss = net(torch.randn(8, 4)).square().mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    def until_seen():  # bars are looked at four times a second: wait for the next look, by the log
        log = os.path.join(os.environ["DLMON_RUN"], "rank0.jsonl") if "DLMON_RUN" in os.environ else None
        size, deadline = log and os.path.getsize(log), time.time() + 20
        while log and os.path.getsize(log) == size and time.time() < deadline:
            time.sleep(0.01)
"""


def run_on_terminal(tmp_path: Path, source: str, *, plain: bool = False) -> Run:
    """As run_script, with a terminal of 80 columns for stdin, stdout and stderr; its output is `stdout`."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(NET) + textwrap.dedent(source))
    folder = tmp_path / "run"
    if not plain:
        folder.mkdir(mode=0o700)
        control.create(str(folder))
    env = environment(None if plain else folder, TERM="xterm-256color", COLUMNS="80", LINES="24")
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, str(script)], env)
    output = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not data:
            break
        output += data
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    text = output.decode().replace("\r\n", "\n")
    return Run(folder, read_events(folder), text, "", os.waitstatus_to_exitcode(status))


NESTED = """
    from tqdm import tqdm, trange
    from tqdm.auto import tqdm as auto
    for epoch in trange(2, desc="epochs"):
        bar = auto(total=5, desc=f"epoch {epoch}", leave=False, colour="green")
        for i in range(5):
            bar.set_postfix(loss=f"{step():.3f}")
            bar.update()
            if i == 2:
                tqdm.write(f"written in {epoch}")
                bar.refresh()
                until_seen()
        bar.close()
        assert (bar.n, bar.disable) == (5, True)
        print("epoch", epoch, "done")
    f = open("bar.txt", "w")
    for i in tqdm(range(3), file=f, desc="to a file"):
        pass
    f.close()
    assert "3/3" in open("bar.txt").read()
    for i in tqdm(range(2), desc="hidden", disable=True):
        pass
"""


def test_nested_bars_are_events_and_lines_stay_clean(tmp_path: Path) -> None:
    run = run_on_terminal(tmp_path, NESTED)
    assert run.code == 0, run.stdout
    assert not run.of("probe_error")
    assert "\x1b" not in run.stdout and "\r" not in run.stdout
    lines = run.stdout.splitlines()
    assert lines[:-1] == ["written in 0", "epoch 0 done", "written in 1", "epoch 1 done"]
    assert lines[-1].startswith("epochs: 100%|") and " 2/2 " in lines[-1]  # what stays on the screen stays, as a line

    found = run.of("bar")
    assert {bar["desc"] for bar in found} == {"epochs", "epoch 0", "epoch 1", "to a file"}
    inner = [bar for bar in found if bar["desc"] == "epoch 0"]
    assert len({bar["bar"] for bar in inner}) == 1
    assert (inner[0]["position"], inner[0]["total"], inner[0]["unit"]) == (1, 5.0, "it")
    assert any(bar["n"] == 3.0 and bar["postfix"].startswith("loss=") and not bar["closed"] for bar in inner)
    assert (inner[-1]["n"], inner[-1]["closed"]) == (5.0, True)
    outer = [bar for bar in found if bar["desc"] == "epochs"]
    assert (outer[-1]["n"], outer[-1]["closed"], outer[-1]["position"]) == (2.0, True, 0)
    assert all(bar["rate"] is None or bar["rate"] >= 0 for bar in found)


def test_a_bar_before_training_shows_and_leaves_no_frame_behind(tmp_path: Path) -> None:
    source = """
        from tqdm import tqdm
        for i in tqdm(range(3), desc="download", mininterval=0):
            pass
        outer = tqdm(range(3), desc="all", mininterval=0)
        for i in outer:
            if i == 1:
                step()  # from here on the process trains
        print("end")
    """
    run = run_on_terminal(tmp_path, source)
    assert run.code == 0, run.stdout
    assert "download: 100%|" in run.stdout and "\r" in run.stdout
    tail = run.stdout[run.stdout.rindex("all:  33%") :]
    wiped = tail[: tail.index("all: 100%")]
    assert wiped.endswith("\r") and wiped.rstrip("\r").endswith("  ")  # blanks over the frame, and back to the start
    assert tail.endswith("it/s]\nend\n")
    assert {bar["desc"] for bar in run.of("bar") if bar["closed"]} == {"download", "all"}


def test_a_process_that_never_trains_is_left_alone(tmp_path: Path) -> None:
    source = """
        from tqdm import trange
        for i in trange(4, desc="count", mininterval=0, bar_format="{desc} {n}"):
            pass
        empty = trange(4, desc="empty", bar_format="{desc} {n}")
        empty.close()
    """
    run = run_on_terminal(tmp_path, source)
    assert list(run.folder.glob("rank*")) == []
    frames = [frame.strip() for frame in run.stdout.replace("\n", "\r").split("\r") if frame.strip()]
    assert frames[-2:] == ["count 4", "empty 0"]
    assert frames[:3] == ["count 1", "count 2", "count 3"]


def test_rich_progress(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    source = """
        from rich.progress import Progress, track
        with Progress() as progress:
            task = progress.add_task("[red]steps", total=6)
            for i in range(6):
                step()
                progress.advance(task)
                if i in (1, 3):
                    until_seen()
            print("inside")
            assert progress.finished
        assert sum(track(range(4), description="after")) == 6
        print("end")
    """
    run = run_on_terminal(tmp_path, source)
    assert run.code == 0, run.stdout
    assert not run.of("probe_error")
    assert run.stdout == "inside\nend\n"
    steps = [bar for bar in run.of("bar") if bar["desc"] == "steps"]
    assert any(0 < bar["n"] < 6 for bar in steps)
    assert (steps[-1]["n"], steps[-1]["total"], steps[-1]["closed"]) == (6.0, 6.0, True)


def test_only_terminals_and_pipes_in_their_place_are_ours(tmp_path: Path) -> None:
    class Tee:
        def fileno(self) -> int:
            raise AssertionError("code of the user's")

    assert bars.terminal_descriptor(Tee()) is None
    with (tmp_path / "log.txt").open("w") as file:
        assert bars.terminal_descriptor(file) is None
    leader, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        assert bars.terminal_descriptor(stream) == terminal
    os.close(leader)
