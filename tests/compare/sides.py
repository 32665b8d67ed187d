"""Runs to compare, as folders: a manifest, logs, copied sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmon.compare.side import Side, read_side
from dlmon.record.manifest import Environment, Git, Manifest, Outcome, write_manifest
from dlmon.runs import open_run
from dlmon_probes import events
from tests.builders import START, Story

SOURCE = "import torch\n\ntorch.manual_seed(0)\nlr = 0.1\nmodel = make()\ntrain(model, lr)\n"


def falling(steps: int = 200, end: float = 0.2, wobble: float = 0.01) -> list[float]:
    """A loss that falls from about 1 to `end`; the wobble has no trend, and no randomness."""
    return [end + math.exp(-step / 20) + wobble * math.sin(step * 2.399) for step in range(steps)]


def story(losses: Sequence[float], evaluations: Sequence[float] = ()) -> Story:
    made = Story().series().losses(list(losses))
    every = max(1, len(losses) // max(1, len(evaluations)))
    for number, value in enumerate(evaluations, 1):
        made.add(
            events.Evaluation(
                made.now, number * every, 4, 1000, 0.5, loss=value, loss_from="criterion", accuracy=1 - value
            )
        )
    return made


def folder_of(
    folder: Path,
    made: Story,
    *,
    argv: Sequence[str] = ("train.py", "--lr", "0.1"),
    sources: Mapping[str, str] | None = None,
    code: int | None = 0,
    commit: str = "",
    values: Mapping[str, str] | None = None,
    **changes: Any,
) -> Path:
    """The run written down. code None: it has no outcome. sources None: one file, SOURCE."""
    if code is not None:
        made.exit(code)
    made.write(folder)
    for path, text in ({"train.py": SOURCE} if sources is None else sources).items():
        target = folder / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    outcome = None if code is None else Outcome(code, "", made.now - START, made.now)
    manifest = Manifest(
        folder.name, ["python", *argv], list(argv), "train.py", "/home/a", START,
        python="/usr/bin/python3", git=Git(commit) if commit else None,
        environment=Environment(sorted(values or {}), dict(values or {})), outcome=outcome, host="node", dlmon="0.1",
    )  # fmt: skip
    write_manifest(folder, Manifest(**{**vars(manifest), **changes}))
    return folder


def side(letter: str, folder: Path, *, with_facts: bool = False) -> Side:
    return read_side(letter, open_run(folder), with_facts=with_facts)
