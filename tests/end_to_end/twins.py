"""Runs a program twice, plainly and under dlmon, on pseudo-terminals of the same size, at the same time.

Both twins get their own empty working folder, so that what they write cannot meet.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
STRANGERS = REPOSITORY / "tests" / "strangers"
SAMPLES = REPOSITORY / "sample_tasks"

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][AB0]")
BAR = re.compile(rb"\d+%\||(?:it|s)/(?:s|it)[\],]")  # a tqdm bar: its rate differs from run to run
DEADLINE = 110.0  # seconds


@dataclass(frozen=True)
class Ended:
    """How a program ended: exit code and its output without bars and escape sequences, line by line."""

    code: int
    lines: list[bytes]


@dataclass(frozen=True)
class Recorded(Ended):
    """The twin under dlmon. rows: all events of all ranks. folder: its run folder."""

    folder: Path = Path()
    rows: list[dict[str, Any]] = field(default_factory=list)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["k"] == kind]

    @property
    def steps(self) -> int:
        """Steps in the log, over all ranks."""
        return sum(len(row["at"]) for row in self.events("steps"))

    def losses(self) -> dict[str, list[Any]]:
        """Logged losses by series name, in order; steps without one left out."""
        names = {str(row["series"]): row["name"] for row in self.events("series")}
        series: dict[str, list[Any]] = {}
        for row in self.events("steps"):
            for number, values in row.get("loss", {}).items():
                series.setdefault(names[number], []).extend(v for v in values if v is not None)
        return series


def readable(output: bytes) -> list[bytes]:
    """Lines of a terminal's output without escape sequences, progress bars and blanks."""
    lines = re.split(rb"[\r\n]+", ESCAPES.sub(b"", output))
    return [line.rstrip() for line in lines if line.strip() and not BAR.search(line)]


def environment(**extra: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DLMON", "TQDM", "LINES", "COLUMNS"))}
    return {**env, "OMP_NUM_THREADS": "1", "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1", **extra}


def run_twins(
    command: Sequence[str], work: Path, *, stdin: bytes | None = None, options: Sequence[str] = ()
) -> tuple[Ended, Recorded]:
    """Run `command` (as the user would type it after `python` or dlmon) plainly and recorded, side by side."""
    recorded: list[Recorded] = []
    thread = threading.Thread(target=lambda: recorded.append(run_recorded(command, work, stdin=stdin, options=options)))
    thread.start()
    plain = run_plain(command, work, stdin=stdin)
    thread.join()
    assert recorded, "the recorded twin did not end"
    return plain, recorded[0]


def run_plain(command: Sequence[str], work: Path, *, stdin: bytes | None = None) -> Ended:
    """Run without dlmon, on a pseudo-terminal."""
    folder = work / "plain"
    folder.mkdir()
    argv = list(command)
    if argv[0].endswith(".py") or argv[0] == "-m":
        argv.insert(0, sys.executable)
    else:
        argv[0] = str(Path(sys.executable).with_name(argv[0]))
    with _terminal() as (slave, output):
        process = subprocess.Popen(
            argv, cwd=folder, env=environment(), stdin=slave if stdin is None else subprocess.PIPE,
            stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        _feed(process, stdin)
        code = process.wait(DEADLINE)
    return Ended(code if code >= 0 else 128 - code, readable(b"".join(output)))


def run_recorded(
    command: Sequence[str], work: Path, *, stdin: bytes | None = None, options: Sequence[str] = ()
) -> Recorded:
    """Run under `dlmon --headless`, which puts the training on a pseudo-terminal of its own."""
    folder, runs = work / "recorded", work / "runs"
    folder.mkdir()
    argv = [sys.executable, "-m", "dlmon", "--headless", "--runs-dir", str(runs), "--python", sys.executable]
    # `dlmon torchrun …` looks for torchrun on the PATH, as a shell would.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    process = subprocess.Popen(
        [*argv, *options, *command], cwd=folder, env=environment(PATH=path),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    narration = process.communicate(stdin, timeout=DEADLINE)[1].decode(errors="replace")
    found = sorted(runs.glob("*/run.json"))
    assert found, f"dlmon left no run behind:\n{narration[-2000:]}"
    run = found[-1].parent
    return Recorded(process.returncode, readable((run / "output.log").read_bytes()), run, read_log(run))


def read_log(run: Path) -> list[dict[str, Any]]:
    """All events that training processes wrote, file by file, read without dlmon's own reader."""
    return [json.loads(line) for path in sorted(run.glob("rank*.jsonl")) for line in path.read_bytes().splitlines()]


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[int, list[bytes]]]:
    """A pseudo-terminal's slave, and what arrives at its master: complete once the block is left."""
    master, slave = pty.openpty()
    output: list[bytes] = []

    def drain() -> None:
        with contextlib.suppress(OSError):  # EIO: nobody holds the slave any more
            while chunk := os.read(master, 65536):
                output.append(chunk)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield slave, output
    finally:
        os.close(slave)
        thread.join(5)
        os.close(master)


def _feed(process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
