"""The real command without a screen."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.support import Dlmon, ended, environment, events, of_kind, output, wait_for

TRAINING = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(30):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(torch.ones(8, 4)), torch.zeros(8, 1))
    loss.backward()
    optimizer.step()
print("trained")
"""

WAITS = """
import signal, sys, time
print("ready", flush=True)
interrupts = 0
while True:
    try:
        time.sleep(0.05)
    except KeyboardInterrupt:
        interrupts += 1
        print("interrupt", interrupts, flush=True)
        if interrupts == 2:
            sys.exit(9)
"""


def test_stdout_is_the_trainings_and_stderr_is_narration(dlmon: Dlmon) -> None:
    script = dlmon.script(
        "talk.py",
        "import sys\n"
        "print('to stdout')\n"
        "print('to stderr', file=sys.stderr)\n"
        "for i in range(3):\n"
        "    sys.stdout.write(f'\\r{i} of 3')\n"
        "print('\\n\\x1b[31mred\\x1b[0m')\n"
        "sys.stdout.write('no newline')\n",
    )
    done = dlmon("--headless", script)
    assert done.stdout == "to stdout\nto stderr\n2 of 3\nred\nno newline\n"
    assert all(line.startswith("dlmon: ") for line in done.stderr.splitlines())
    assert "finished after" in done.stderr
    assert "recorded in dlmon_runs/" in done.stderr


def test_json_is_the_events_and_nothing_else(dlmon: Dlmon) -> None:
    done = dlmon("--json", dlmon.script("talk.py", "print('output stays on disk')"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["k"] for row in rows][:2] == ["hello", "launch"]
    assert rows[-1]["k"] == "exit"
    assert output(dlmon.folder()) == "output stays on disk\n"
    logged = events(dlmon.folder())
    assert [{**row, "source": "host"} for row in logged] == rows


def test_a_real_training_is_told_from_its_first_loss_to_its_end(dlmon: Dlmon) -> None:
    pytest.importorskip("torch")
    done = dlmon(dlmon.script("train.py", TRAINING))
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "first loss" in done.stderr
    assert "(train.py:9)" in done.stderr
    assert "30 steps, exit code 0" in done.stderr
    row = json.loads(dlmon("ls", "--json").stdout)[0]
    assert (row["state"], row["steps"]) == ("finished", 30)
    assert 0 <= row["loss"] < 1


def test_ctrl_c_goes_to_the_training_each_time(dlmon: Dlmon) -> None:
    process = dlmon.start("--headless", dlmon.script("train.py", WAITS))
    folder = dlmon.folder()
    wait_for(lambda: "ready" in output(folder), "the training")
    for count in (1, 2):
        process.send_signal(signal.SIGINT)
        wait_for(lambda count=count: f"interrupt {count}" in output(folder), "the interrupt")
    assert process.wait() == 9
    assert [row["signal"] for row in of_kind(events(folder), "signal")] == ["SIGINT", "SIGINT"]


@pytest.mark.parametrize("name", ["TERM", "USR1", "QUIT"])
def test_signals_of_a_batch_system_are_passed_on(dlmon: Dlmon, name: str) -> None:
    handler = f"import signal, sys\nsignal.signal(signal.SIG{name}, lambda *_: sys.exit(42))\n"
    process = dlmon.start("--headless", dlmon.script("train.py", handler + WAITS))
    folder = dlmon.folder()
    wait_for(lambda: "ready" in output(folder), "the training")
    process.send_signal(signal.Signals[f"SIG{name}"])
    assert process.wait() == 42


def test_a_reader_that_leaves_does_not_end_the_run(dlmon: Dlmon) -> None:
    """`dlmon train.py | head -1`."""
    dlmon.script("train.py", "import sys\nfor i in range(20000): print('line', i)\nsys.exit(4)\n")
    command = [sys.executable, "-m", "dlmon", "--headless", "train.py"]
    process = subprocess.Popen(
        command, cwd=dlmon.cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.wait() == 4
    assert "Traceback" not in said
    assert "line 19999" in output(dlmon.folder())


def test_nothing_is_left_out_of_a_flood(dlmon: Dlmon) -> None:
    script = dlmon.script("flood.py", "for i in range(300_000): print(i, 'x' * 40)")
    lines = dlmon(script).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [str(i) for i in range(300_000)]


def test_with_the_outcome_everything_is_on_disk(dlmon: Dlmon) -> None:
    dlmon(dlmon.script("train.py", "print('x')"))
    folder = dlmon.folder()
    assert ended(folder).outcome is not None
    assert not (folder / "requests").exists()  # a pipe would make copying the folder hang


def test_doctor_says_what_works_here(dlmon: Dlmon) -> None:
    pytest.importorskip("torch")
    done = dlmon("doctor")
    assert done.returncode == 0, done.stdout
    verdicts = {line[6:22].strip(): line.split()[0] for line in done.stdout.splitlines()}
    assert {verdicts[name] for name in ("training Python", "runs", "supervision", "torch", "probes")} == {"ok"}
    assert verdicts["screen"] == "note"


def test_doctor_finds_a_python_that_the_probes_cannot_reach(dlmon: Dlmon) -> None:
    pytest.importorskip("torch")
    isolated = dlmon.cwd / "isolated"
    isolated.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I \"$@\"\n")
    isolated.chmod(0o755)
    done = dlmon("doctor", "--python", str(isolated), "--json")
    answers = {row["subject"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert answers["probes"]["verdict"] == "bad"
    assert "ignores PYTHONPATH" in answers["probes"]["text"]
