"""Which reader a path is for: told by names first, then by how the file begins."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlmon.interop.rows import Reader
from dlmon.record import layout

MOST_ENTRIES = 10_000  # of a folder that are looked at
_CSV, _JSONL = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json")
_TRAINER_STATE = "trainer_state.json"
_METRICS = "metrics.csv"


@dataclass(frozen=True)
class Source:
    """Something that can be read. form: one of the words in READERS. path: of the file, or of a folder of files."""

    form: str
    path: Path

    def reader(self) -> Reader:
        """A reader at its beginning. Raises UserError and OSError."""
        if self.form == "tensorboard":
            from dlmon.interop.readers.tensorboard import TensorBoardReader

            return TensorBoardReader(self.path)
        if self.form == "wandb":
            from dlmon.interop.readers.wandb import WandbReader

            return WandbReader(self.path)
        if self.form == "trainer_state":
            from dlmon.interop.readers.trainer_state import TrainerStateReader

            return TrainerStateReader(self.path)
        if self.form == "csv":
            from dlmon.interop.readers.csv import CsvReader

            return CsvReader(self.path)
        from dlmon.interop.readers.jsonl import JsonLinesReader

        return JsonLinesReader(self.path)

    def files(self) -> Sequence[Path]:
        """The files that are read, now."""
        if self.form != "tensorboard":
            return [self.path]
        from dlmon.interop.readers.tensorboard import event_files

        return [path for path, _ in event_files(self.path)]

    def size(self) -> int:
        """Bytes of all its files."""
        total = 0
        for path in self.files():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total


def recognise(path: Path) -> Source | None:
    """The source at a path; None for a run of dlmon's own, for what is not there, and for what is none."""
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        return None
    name = path.name.lower()
    if "tfevents" in name:
        return Source("tensorboard", path)
    if name.endswith(".wandb"):
        return Source("wandb", path)
    if name.endswith(_CSV):
        return Source("csv", path)
    if name == _TRAINER_STATE:
        return Source("trainer_state", path)
    if name.endswith(_JSONL):
        lines = not name.endswith(".json") or _one_object_a_line(path)
        return Source("jsonl" if lines else "trainer_state", path)
    return None


def _in_folder(folder: Path) -> Source | None:
    if (folder / layout.MANIFEST).exists():
        return None
    names = _names(folder)
    for form, name in (("csv", _METRICS), ("trainer_state", _TRAINER_STATE)):
        if name in names and (folder / name).is_file():
            return Source(form, folder / name)
    wandb = _newest(folder / name for name in names if name.endswith(".wandb"))
    if wandb is None and folder.name == "wandb":
        wandb = _newest(folder.glob("*run-*/run-*.wandb"))
    if wandb is not None:
        return Source("wandb", wandb)
    state = _newest(folder.glob(f"checkpoint-*/{_TRAINER_STATE}"))
    if state is not None:
        return Source("trainer_state", state)
    source = Source("tensorboard", folder)
    return source if source.files() else None


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for _, entry in zip(range(MOST_ENTRIES), entries, strict=False)}
    except OSError:
        return set()


def _newest(paths: Iterator[Path]) -> Path | None:
    found: list[tuple[float, Path]] = []
    for path in paths:
        try:
            if path.is_file():
                found.append((path.stat().st_mtime, path))
        except OSError:
            continue
    return max(found)[1] if found else None


def _one_object_a_line(path: Path) -> bool:
    """JSON lines, and not one JSON value over many lines."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 20)
    except OSError:
        return True
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "log_history" not in row
