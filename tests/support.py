"""Runs the real `dlmon` command in a folder of its own, and waits for what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dlmon
import dlmon_probes
from dlmon.record.manifest import Manifest, read_manifest

DEADLINE = 60.0  # seconds: how long an awaited event may take on a busy machine; no test measures time
ROOTS = sorted({str(Path(module.__file__ or "").resolve().parents[1]) for module in (dlmon, dlmon_probes)})

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, deadline: float = DEADLINE) -> T:
    """The first result of `look` that is true."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline:g} s for {what}")


def environment(**changes: str) -> dict[str, str]:
    """A plain environment in which dlmon can be imported and no terminal's settings are found."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DLMON", "COLUMNS", "LINES"))}
    theirs = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path not in ROOTS]
    env |= {"PYTHONPATH": os.pathsep.join([*ROOTS, *theirs]), "OMP_NUM_THREADS": "1"}
    return env | changes


class Dlmon:
    """The command in one working folder. Runs that a test leaves behind are killed at its end."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self.runs = cwd / "dlmon_runs"
        self._started: list[subprocess.Popen[str]] = []

    def script(self, name: str, text: str) -> str:
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def __call__(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [sys.executable, "-m", "dlmon", *args],
            cwd=self.cwd,
            env={**environment(), **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start, with stdout and stderr as pipes unless told otherwise."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "dlmon", *args]
        process = subprocess.Popen(command, cwd=self.cwd, env=environment(), text=True, **options)
        self._started.append(process)
        return process

    def folder(self) -> Path:
        """The newest run's folder, once there is one."""
        return wait_for(lambda: max(self._folders(), default=None), "a run folder")

    def _folders(self) -> Iterator[Path]:
        return self.runs.glob("*") if self.runs.is_dir() else iter(())

    def clean_up(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
        for folder in self._folders():
            manifest = read_manifest(folder)
            if manifest is not None and manifest.outcome is None:
                for pid in (manifest.pid, manifest.supervisor_pid):
                    kill(pid)


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def events(folder: Path, file: str = "host.jsonl") -> list[dict[str, Any]]:
    """The whole lines of a log, decoded plainly."""
    try:
        data = (folder / file).read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data.split(b"\n")[:-1] if line]


def of_kind(rows: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["k"] == kind]


def output(folder: Path) -> str:
    try:
        return (folder / "output.log").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def running(folder: Path) -> Manifest:
    """The manifest once the training was started."""

    def look() -> Manifest | None:
        manifest = read_manifest(folder)
        return manifest if manifest is not None and manifest.pid and manifest.supervisor_pid else None

    return wait_for(look, "the training's start")


def ended(folder: Path) -> Manifest:
    """The manifest once the run has its outcome."""

    def look() -> Manifest | None:
        manifest = read_manifest(folder)
        return manifest if manifest is not None and manifest.outcome is not None else None

    return wait_for(look, "the run's end")
