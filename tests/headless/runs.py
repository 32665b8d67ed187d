"""Run folders as a supervisor and a training leave them, made by the real writers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlmon.record.codec import encode_event
from dlmon.record.manifest import Manifest, Outcome, write_manifest
from dlmon_probes import events

T = 1_000_000.0  # unix seconds at which these runs were started


def steps(first: int, losses: Sequence[float | None], t: float) -> events.Steps:
    count = len(losses)
    return events.Steps(
        t, first, at=[t - T + i * 0.1 for i in range(count)], dt=[0.1] * count, wait=[0.0] * count, lr=[0.01] * count,
        micro=[1] * count, samples=[32] * count, loss={"0": list(losses)}, grad_norm=[None] * count,
    )  # fmt: skip


def training() -> list[Any]:
    """30 s of a training with a loss, an evaluation and a NaN."""
    where = events.Where("/home/a/train.py", 88, "main", "loss.backward()")
    return [
        events.Hello(T + 1, events.SCHEMA, "rank", 42, "node", argv=["train.py"]),
        events.Phase(T + 2, "training"),
        events.Series(T + 2, 0, "loss", where),
        steps(0, [1.1] * 40, T + 6),
        steps(40, [0.5] * 60, T + 12),
        events.Evaluation(T + 13, 100, 4, 64, 3.0, loss=0.4, accuracy=0.9),
        steps(100, [0.25] * 80, T + 21),
        steps(180, [float("nan")] * 20, T + 23),
        events.End(T + 24, 200),
    ]


def supervision(code: int = 0, signal: str = "") -> list[Any]:
    return [
        events.Hello(T, events.SCHEMA, "supervisor", 41, "node"),
        events.Launch(T, 42, ["python", "train.py"]),
        events.Output(T + 1.5, 6),
        events.Output(T + 13.5, 14),
        events.Exit(T + 25, code, 25.0, signal),
    ]


def write(folder: Path, name: str, rows: Sequence[Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("ab") as log:
        log.writelines(encode_event(row) for row in rows)


def recorded(folder: Path, outcome: Outcome | None = None, **changes: Any) -> Path:
    """A run that was recorded to its end."""
    write(folder, "host.jsonl", supervision())
    write(folder, "rank0.jsonl", training())
    (folder / "output.log").write_bytes(b"first\n1 of 2\rsecond\r\nlast")
    outcome = outcome or Outcome(0, "", 25.0, T + 25)
    manifest = Manifest(
        folder.name, ["python", "train.py"], ["train.py"], "train.py", "/home/a", T, pid=42, supervisor_pid=41
    )
    write_manifest(folder, Manifest(**{**vars(manifest), "outcome": outcome, **changes}))
    return folder
