"""Whatever is killed: the training does not die with a screen, and what was known stays on disk and readable.

Real trainings, killed in the middle; "older than a second" is taken from the log's own time stamps.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dlmon.launch import processes, requests
from tests.support import Dlmon, ended, environment, events, kill, of_kind, output, running, wait_for

# A training without torch is enough where only the supervisor's promises are tested.
TICKS = """
import sys, time
step = 0
try:
    while True:
        print(f"tick {step} {time.time()}", flush=True)
        step += 1
        time.sleep(0.02)
except KeyboardInterrupt:
    print("saved", flush=True)
    sys.exit(5)
"""

TRAINING = """
import time, torch
torch.manual_seed(0)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(32, 8), torch.randn(32, 1)
step = 0
while True:
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    step += 1
    print(f"tick {step} {time.time()}", flush=True)
    time.sleep(0.01)
"""

SECONDS = 1.0  # what is older than this is in the log


def ticks(text: str) -> list[tuple[int, float]]:
    """Whole lines only."""
    lines = text.split("\n")[:-1]
    return [(int(words[1]), float(words[2])) for line in lines if len(words := line.split()) == 3]


def further(folder: Path, by: int = 20) -> None:
    """Wait until the training has gone on by some ticks."""
    seen = len(ticks(output(folder)))
    wait_for(lambda: len(ticks(output(folder))) >= seen + by, "the training to go on")


def start(dlmon: Dlmon, text: str) -> tuple[subprocess.Popen[str], Path]:
    screen = dlmon.start("--headless", dlmon.script("train.py", text))
    folder = dlmon.folder()
    further(folder)
    return screen, folder


def look(dlmon: Dlmon, *args: str) -> str:
    done = dlmon(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_killing_the_screen_leaves_training_and_recording_untouched(dlmon: Dlmon) -> None:
    screen, folder = start(dlmon, TICKS)
    screen.kill()
    screen.wait()
    further(folder)
    assert requests.supervised(folder)
    attached = [dlmon.start("attach"), dlmon.start("attach", folder.name)]  # any number at once
    for process in attached:
        assert process.stdout is not None
        assert "tick 0 " in process.stdout.readline()
    requests.stop(folder)
    assert [process.communicate()[0].count("saved") for process in attached] == [1, 1]
    assert [process.returncode for process in attached] == [0, 0]
    outcome = ended(folder).outcome
    assert outcome is not None
    assert outcome.code == 5
    assert "saved" in output(folder)


def test_closing_the_terminal_leaves_the_training_untouched(dlmon: Dlmon) -> None:
    """The command is started from a terminal, and the terminal goes away: SIGHUP to its whole session."""
    dlmon.script("train.py", TICKS)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(dlmon.cwd)
        os.execve(sys.executable, [sys.executable, "-m", "dlmon", "--headless", "train.py"], environment())
    folder = dlmon.folder()
    further(folder)
    os.close(terminal)
    os.waitpid(pid, 0)
    further(folder)
    requests.send_signal(folder, "INT")
    assert ended(folder).outcome is not None


def test_killing_the_supervisor_leaves_the_training_and_its_exit_code(dlmon: Dlmon) -> None:
    """Its guardian goes on in its place; the output has no gap and the log can be read."""
    screen, folder = start(dlmon, TICKS)
    first = running(folder).supervisor_pid
    kill(first)
    wait_for(lambda: running(folder).supervisor_pid != first, "the guardian to take over")
    further(folder)
    requests.stop(folder)
    assert screen.wait() == 5
    outcome = ended(folder).outcome
    assert outcome is not None
    assert outcome.code == 5
    numbers = [number for number, _ in ticks(output(folder))]
    assert numbers == list(range(len(numbers)))
    rows = events(folder)
    assert of_kind(rows, "exit")[0]["code"] == 5
    assert json.loads(look(dlmon, "ls", "--json"))[0]["state"] == "stopped"


def test_killing_the_guardian_leaves_the_training_supervised(dlmon: Dlmon) -> None:
    screen, folder = start(dlmon, TICKS)
    supervisor = running(folder).supervisor_pid
    assert supervisor is not None
    kill(parent(supervisor))
    further(folder)
    requests.stop(folder)
    assert screen.wait() == 5


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_training_killed_while_it_is_being_taken_over_has_its_signal_recorded(dlmon: Dlmon) -> None:
    _, folder = start(dlmon, TICKS)
    manifest = running(folder)
    kill(manifest.supervisor_pid)
    kill(manifest.pid)
    outcome = ended(folder).outcome
    assert outcome is not None
    assert (outcome.code, outcome.signal) == (137, "SIGKILL")


def test_with_supervisor_and_guardian_killed_the_record_says_what_is_true(dlmon: Dlmon) -> None:
    screen, folder = start(dlmon, TICKS)
    manifest = running(folder)
    supervisor = manifest.supervisor_pid
    assert supervisor is not None
    assert manifest.pid is not None
    guardian = parent(supervisor)
    kill(guardian)
    at = time.time()
    kill(supervisor)
    wait_for(lambda: not processes.exists(supervisor), "the supervisor's end")
    assert_recorded(folder, at)
    wait_for(lambda: not processes.exists(manifest.pid or 0), "the training's hang-up")
    assert screen.wait() == 1  # the exit code is not known, and 0 would be a lie
    rows = json.loads(look(dlmon, "ls", "--json"))
    assert [(row["state"], row["exit_code"]) for row in rows] == [("lost", None)]
    assert "tick 10" in look(dlmon, "replay", "last")
    assert "tick 10" in look(dlmon, "attach", "last")


def assert_recorded(folder: Path, at: float) -> None:
    """Every tick that was older than a second at `at`: the training counts them without a gap."""
    seen = ticks(output(folder))
    assert [number for number, _ in seen] == list(range(seen[0][0], seen[0][0] + len(seen)))
    assert seen[-1][1] > at - SECONDS


@pytest.mark.parametrize("moment", ["importing", "first steps", "later"])
def test_killing_a_real_training_loses_less_than_a_second(dlmon: Dlmon, moment: str) -> None:
    pytest.importorskip("torch")
    screen = dlmon.start("--headless", dlmon.script("train.py", TRAINING))
    folder = dlmon.folder()
    pid = running(folder).pid
    if moment == "importing":
        wait_for(lambda: any(row["name"] == "importing_torch" for row in of_kind(events(folder), "phase")), "torch")
    else:
        count = 3 if moment == "first steps" else 150
        wait_for(lambda: len(ticks(output(folder))) >= count, "some steps")
    at = time.time()
    kill(pid)
    outcome = ended(folder).outcome
    assert outcome is not None
    assert (outcome.code, outcome.signal) == (137, "SIGKILL")
    assert screen.wait() == 137
    done = [number for number, t in ticks(output(folder)) if t < at - SECONDS]
    assert logged_steps(folder) >= len(done)
    assert "SIGKILL" in look(dlmon, "replay", "last")
    look(dlmon, "findings", "last")


def logged_steps(folder: Path) -> int:
    rows = [row for path in folder.glob("rank*.jsonl") for row in of_kind(events(folder, path.name), "steps")]
    return sum(len(row["at"]) for row in rows)


def test_a_real_training_goes_on_when_its_supervisor_is_killed(dlmon: Dlmon) -> None:
    pytest.importorskip("torch")
    _, folder = start(dlmon, TRAINING)
    first = running(folder).supervisor_pid
    kill(first)
    wait_for(lambda: running(folder).supervisor_pid != first, "the guardian to take over")
    before = logged_steps(folder)
    wait_for(lambda: logged_steps(folder) > before + 20, "further steps in the log")
    requests.stop(folder)
    outcome = ended(folder).outcome
    assert outcome is not None
    assert (outcome.code, outcome.signal) == (130, "SIGINT")  # as Python ends by a KeyboardInterrupt


class Terminal:
    """A real screen on a pseudo-terminal, as a person has it over SSH."""

    def __init__(self, dlmon: Dlmon, *args: str) -> None:
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(dlmon.cwd)
            env = environment(TERM="xterm-256color", COLUMNS="120", LINES="40")
            os.execve(sys.executable, [sys.executable, "-m", "dlmon", *args], env)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.shown += os.read(self.fd, 65536)
            except OSError:
                return

    def shows(self, text: str) -> bool:
        """Whether a word has ever stood on the screen."""
        return text.encode() in self.shown


@pytest.mark.parametrize("end", ["kill -9", "close"])
def test_a_training_with_a_screen_outlives_it_and_another_screen_goes_on(dlmon: Dlmon, end: str) -> None:
    pytest.importorskip("torch")
    screen = Terminal(dlmon, dlmon.script("train.py", TRAINING))
    folder = dlmon.folder()
    further(folder)
    wait_for(lambda: screen.shows("gradient"), "the screen")
    if end == "kill -9":
        kill(screen.pid)
        os.waitpid(screen.pid, 0)
        os.close(screen.fd)
    else:
        os.close(screen.fd)
        os.waitpid(screen.pid, 0)
    further(folder)
    before = logged_steps(folder)
    wait_for(lambda: logged_steps(folder) > before, "further steps in the log")
    again = Terminal(dlmon, "attach")
    wait_for(lambda: again.shows("train.py"), "the other screen")
    requests.stop(folder, by="a test")
    wait_for(lambda: again.shows("stopped"), "the other screen to tell the end")
    kill(again.pid)
    os.waitpid(again.pid, 0)
    os.close(again.fd)
