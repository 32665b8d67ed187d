"""The supervisor with real children on a real pseudo-terminal."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

from dlmon.launch import processes, requests
from dlmon_probes import control
from tests.support import Dlmon, ended, environment, events, kill, of_kind, output, running, wait_for

FOREVER = """
import os, sys, time
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""

SAYS_GOODBYE = """
import sys, time
print("ready", flush=True)
try:
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    print("saving", flush=True)
    sys.exit(5)
"""

DEAF = """
import signal, subprocess, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen(["sleep", "600"], start_new_session=True)
print("helper", helper.pid, flush=True)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def start(dlmon: Dlmon, text: str) -> Path:
    """A run of a script that prints "ready"."""
    dlmon.start("--headless", dlmon.script("train.py", text))
    folder = dlmon.folder()
    wait_for(lambda: "ready" in output(folder), "the script's first words")
    running(folder)
    return folder


def test_the_child_leads_a_session_on_a_terminal_of_the_callers_size(dlmon: Dlmon) -> None:
    script = dlmon.script(
        "look.py",
        "import os, sys\n"
        "print([os.isatty(fd) for fd in (0, 1, 2)], os.getsid(0) == os.getpid() == os.getpgid(0))\n"
        "print(os.tcgetpgrp(1) == os.getpid(), tuple(os.get_terminal_size(1)))\n"
        "print(sys.argv, __name__, __file__, sys.path[0] == os.getcwd())\n",
    )
    done = dlmon(script, "a", "--json", env={"COLUMNS": "123", "LINES": "45"})
    assert done.stdout.splitlines() == [
        "[False, True, True] True",  # stdin was /dev/null, and is passed on as it was
        "True (123, 45)",
        "['look.py', 'a', '--json'] __main__ " + str(dlmon.cwd / "look.py") + " True",
    ]


def test_the_environment_brings_the_probes_and_keeps_what_was_there(dlmon: Dlmon) -> None:
    script = dlmon.script(
        "env.py",
        "import os\n"
        "print(os.environ['PYTHONPATH'].split(os.pathsep)[0].endswith('inject/bootstrap'))\n"
        "print(os.environ['PYTHONPATH'].split(os.pathsep)[-1], os.environ['MINE'])\n"
        "print(os.path.isdir(os.environ['DLMON_PROBES']), os.environ['DLMON_OVERHEAD'])\n"
        "print(os.environ['DLMON_RUN'], 'PYTHONUNBUFFERED' in os.environ)\n",
    )
    path = environment()["PYTHONPATH"] + os.pathsep + "/their/own"
    plain = {"PYTHONPATH": path, "MINE": "kept"}
    done = dlmon("--overhead", "2%", script, env=plain)
    unbuffered = "PYTHONUNBUFFERED" in os.environ
    assert done.stdout.splitlines() == ["True", "/their/own kept", "True 0.02", f"{dlmon.folder()} {unbuffered}"]


def test_what_is_piped_in_reaches_the_child_to_its_end(dlmon: Dlmon) -> None:
    script = dlmon.script("read.py", "import sys\nprint(sys.stdin.isatty(), repr(sys.stdin.read()))\n")
    assert dlmon(script, stdin="a\nb").stdout == "False 'a\\nb'\n"


def test_exit_codes_are_the_childs_own(dlmon: Dlmon) -> None:
    assert dlmon(dlmon.script("three.py", "import sys; sys.exit(3)")).returncode == 3
    assert dlmon(dlmon.script("killed.py", "import os; os.kill(os.getpid(), 9)")).returncode == 128 + 9
    folders = sorted(dlmon.runs.iterdir(), key=lambda folder: folder.stat().st_mtime)
    ends = [of_kind(events(folder), "exit")[0] for folder in folders]
    assert [(end["code"], end["signal"]) for end in ends] == [(3, ""), (137, "SIGKILL")]


def test_the_run_folder_is_private_and_the_manifest_complete(dlmon: Dlmon) -> None:
    done = dlmon("--name", "my run/1", dlmon.script("train.py", "print('x')"), env={"SECRET_TOKEN": "hunter2"})
    assert done.returncode == 0
    folder = dlmon.folder()
    manifest = ended(folder)
    assert folder.name.endswith("-my-run-1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (manifest.argv, manifest.cwd, manifest.script) == (["train.py"], str(dlmon.cwd), "train.py")
    assert "SECRET_TOKEN" in manifest.environment.names
    assert "hunter2" not in (folder / "run.json").read_text()
    assert manifest.outcome is not None
    assert (manifest.outcome.code, manifest.outcome.signal) == (0, "")
    assert (folder / "source" / "train.py").read_text() == "print('x')"
    assert (folder / "supervisor.log").read_text() == ""


def test_the_log_begins_with_hello_and_ends_with_exit(dlmon: Dlmon) -> None:
    dlmon(dlmon.script("train.py", "print('x' * 1000)"))
    rows = events(dlmon.folder())
    assert [row["k"] for row in rows[:2]] == ["hello", "launch"]
    assert rows[-1]["k"] == "exit"
    assert rows[0]["role"] == "supervisor"
    assert of_kind(rows, "output")[-1]["offset"] == (dlmon.folder() / "output.log").stat().st_size == 1002
    assert [row["name"] for row in of_kind(rows, "phase")] == ["python"]
    host = of_kind(rows, "host")
    assert all(0 < row["ram_used"] <= row["ram_total"] for row in host)


def test_an_answer_that_is_typed_reaches_the_child(dlmon: Dlmon) -> None:
    script = dlmon.script("ask.py", "import sys\nprint('ready', flush=True)\nprint('got', open('/dev/tty').readline())")
    dlmon.start("--headless", script)
    folder = dlmon.folder()
    wait_for(lambda: "ready" in output(folder), "the question")
    requests.type_input(folder, b"forty-two\n")
    assert ended(folder).outcome is not None
    assert "got forty-two" in output(folder)


def test_resizing_tells_the_child(dlmon: Dlmon) -> None:
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda *_: print('size', *os.get_terminal_size(1), flush=True))\n"
    ) + FOREVER
    folder = start(dlmon, script)
    requests.resize(folder, 50, 200)
    wait_for(lambda: "size 200 50" in output(folder), "the new size")
    requests.send_signal(folder, "KILL")
    ended(folder)


def test_stop_is_ctrl_c_first_and_lets_the_child_save(dlmon: Dlmon) -> None:
    folder = start(dlmon, SAYS_GOODBYE)
    requests.stop(folder, by="a test")
    outcome = ended(folder).outcome
    assert outcome is not None
    assert outcome.code == 5
    assert "saving" in output(folder)
    assert [(row["signal"], row["reason"]) for row in of_kind(events(folder), "signal")] == [
        ("SIGINT", "a test asked to stop")
    ]


def test_stop_goes_on_to_sigkill_and_takes_everything_along(dlmon: Dlmon) -> None:
    folder = start(dlmon, DEAF)
    helper = int(output(folder).split()[1])
    assert processes.exists(helper)
    requests.stop(folder, grace=0.2)
    outcome = ended(folder).outcome
    assert outcome is not None
    assert (outcome.code, outcome.signal) == (137, "SIGKILL")
    assert [row["signal"] for row in of_kind(events(folder), "signal")] == ["SIGINT", "SIGTERM", "SIGKILL"]
    wait_for(lambda: not processes.exists(helper), "the helper's end")


def test_asked_twice_to_stop_it_does_not_wait(dlmon: Dlmon) -> None:
    folder = start(dlmon, DEAF)
    for sent in range(1, 4):
        requests.stop(folder, grace=3600)
        wait_for(lambda sent=sent: len(of_kind(events(folder), "signal")) >= sent, "the next signal")
    assert ended(folder).outcome is not None


def test_what_a_stopped_training_leaves_behind_is_cleared_up(dlmon: Dlmon) -> None:
    """The child of a helper that is gone: an orphan in a session of its own."""
    orphan = ("import subprocess\nsubprocess.run(['sh', '-c', 'setsid sleep 600 & echo orphan $!'])\n") + SAYS_GOODBYE
    folder = start(dlmon, orphan)
    pid = int(output(folder).split()[1])
    requests.stop(folder)
    assert ended(folder).outcome is not None
    wait_for(lambda: not processes.exists(pid), "the orphan's end")


def test_a_training_that_ends_by_itself_may_leave_something_running(dlmon: Dlmon) -> None:
    script = dlmon.script(
        "train.py",
        "import subprocess\nhelper = subprocess.Popen(['sleep', '600'], start_new_session=True)\nprint(helper.pid)\n",
    )
    done = dlmon(script)
    helper = int(done.stdout)
    try:
        assert done.returncode == 0
        assert processes.exists(helper)
    finally:
        kill(helper)


def test_a_signal_for_checkpoints_goes_to_the_training_alone(dlmon: Dlmon) -> None:
    """A loader worker that dies of the SIGTERM would take the training's own checkpoint handler down."""
    script = (
        "import os, signal, sys, time\n"
        "worker = os.fork()\n"
        "if not worker:\n"
        "    time.sleep(600)\n"
        "def save(*_):\n"
        "    print('worker lives', os.waitpid(worker, os.WNOHANG) == (0, 0), flush=True)\n"
        "    os.kill(worker, 9)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
    ) + FOREVER
    folder = start(dlmon, script)
    requests.send_signal(folder, "TERM", by="the batch system")
    outcome = ended(folder).outcome
    assert outcome is not None
    assert outcome.code == 0
    assert "worker lives True" in output(folder)


def test_a_signal_to_the_supervisor_means_the_training(dlmon: Dlmon) -> None:
    folder = start(dlmon, SAYS_GOODBYE)
    kill(running(folder).supervisor_pid, signal.SIGTERM)
    outcome = ended(folder).outcome
    assert outcome is not None
    assert outcome.code == 5


def test_output_that_nobody_reads_does_not_stall_the_training(dlmon: Dlmon) -> None:
    """20 MB, all of it on disk, with bytes that are no text."""
    script = dlmon.script(
        "flood.py",
        "import os\n"
        "line = b'\\xff\\x00' * 500 + b'\\n'\n"
        "for _ in range(20):\n"
        "    data = line * 1000\n"
        "    while data:\n"
        "        data = data[os.write(1, data):]\n",
    )
    done = dlmon.start("--headless", "--json", script, stdout=None, stderr=None)
    folder = dlmon.folder()
    assert ended(folder).outcome is not None
    assert done.wait() == 0
    assert (folder / "output.log").stat().st_size == 20 * 1000 * 1002  # each newline came as CR LF


def test_the_stages_of_the_control_page_become_phases(dlmon: Dlmon) -> None:
    script = (
        "import os, sys\n"
        "sys.path.append(os.path.dirname(os.environ['DLMON_PROBES']))\n"
        "from dlmon_probes import control\n"
        "page = control.ControlPage(os.environ['DLMON_RUN'])\n"
        "page.raise_stage(control.STAGE_TRAINING)\n"
    ) + FOREVER
    folder = start(dlmon, script)
    names = [*["python", "importing_torch", "torch_ready"], "training"]
    wait_for(lambda: [row["name"] for row in of_kind(events(folder), "phase")] == names, "the phases")
    assert control.ControlPage(str(folder)).read(control.STAGE) == control.STAGE_TRAINING
    requests.send_signal(folder, "KILL")
    ended(folder)


def test_a_command_that_cannot_be_executed_ends_with_127(dlmon: Dlmon) -> None:
    broken = dlmon.cwd / "broken.sh"
    broken.write_text("#!/no/such/shell\n")
    broken.chmod(0o755)
    done = dlmon("./broken.sh")
    assert done.returncode == 127
    assert "dlmon: cannot start ./broken.sh: no such file or directory" in done.stdout


def test_modules_of_the_users_folder_do_not_get_into_the_supervisor(dlmon: Dlmon) -> None:
    for name in ("selectors", "select", "logger", "json", "psutil"):
        dlmon.script(f"{name}.py", "raise SystemExit('imported by the wrong program')")
    dlmon.script("work/train.py", "print('trained')")
    command = dlmon.cwd / "bin" / "dlmon"  # as pip installs it: the folder it is called in is not on the path
    command.parent.mkdir()
    command.write_text("from dlmon.cli import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, command, "work/train.py"], cwd=dlmon.cwd, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert (dlmon.folder() / "supervisor.log").read_text() == ""
