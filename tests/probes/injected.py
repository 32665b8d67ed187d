"""Runs small scripts as dlmon would, with the probes injected through the environment, and reads what they logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlmon_probes import control

REPOSITORY = Path(__file__).resolve().parents[2]
PROBES = REPOSITORY / "probes" / "dlmon_probes"


@dataclass
class Run:
    """What is left of a run: events of all ranks in file order, output, exit code, and where it happened."""

    folder: Path
    events: list[dict[str, Any]]
    stdout: str
    stderr: str
    code: int

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["k"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        found = self.of(kind)
        assert len(found) == 1, f"{len(found)} {kind} events\n{self.stderr}"
        return found[0]

    @property
    def losses(self) -> list[float]:
        return [value for block in self.of("steps") for values in block["loss"].values() for value in values]


def environment(folder: Path | None, **more: str) -> dict[str, str]:
    """The environment of an injected child; of a plain one without a folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DLMON_")}
    env.update(OMP_NUM_THREADS="1", PYTHONUNBUFFERED="1", **more)
    env.pop("PYTHONPATH", None)
    if folder is not None:
        env.update(
            PYTHONPATH=str(PROBES / "inject" / "bootstrap"),
            DLMON_RUN=str(folder),
            DLMON_PROBES=str(PROBES),
            DLMON_OVERHEAD=more.get("DLMON_OVERHEAD", "1.0"),
            DLMON_STARTED=str(time.time()),
        )
    return env


def run_script(
    tmp_path: Path,
    source: str,
    *arguments: str,
    plain: bool = False,
    python: str = sys.executable,
    timeout: float = 100,
    **more: str,
) -> Run:
    """Run `source` as train.py in tmp_path. plain: without the probes, to compare. more: environment variables."""
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(source))
    folder = tmp_path / "run"
    if not plain:
        folder.mkdir(mode=0o700)
        control.create(str(folder))
    done = subprocess.run(
        [python, str(script), *arguments],
        cwd=tmp_path,
        env=environment(None if plain else folder, **more),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Run(folder, read_events(folder), done.stdout, done.stderr, done.returncode)


def read_events(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("rank*.jsonl")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found
