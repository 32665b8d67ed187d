"""`dlmon export`: a run in the forms of other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

from dlmon import text
from dlmon.errors import OK, UserError, reason
from dlmon.headless.console import Console
from dlmon.interop.mirror import refuse_events
from dlmon.interop.open import folder_of
from dlmon.interop.writers import files


@dataclass(frozen=True)
class Wanted:
    """Where to write each form, None for nowhere. tensorboard: a folder; the others: files, `-` is stdout."""

    tensorboard: str | None = None
    csv: str | None = None
    parquet: str | None = None
    jsonl: str | None = None
    asciicast: str | None = None

    def check(self) -> None:
        """Raises UserError before anything is read."""
        given = [value for field in fields(self) if (value := getattr(self, field.name)) is not None]
        if not given:
            raise UserError("say what to write: --tensorboard DIR, --csv, --parquet, --jsonl or --asciicast FILE")
        if given.count(files.STDOUT) > 1:
            raise UserError("only one form can go to stdout; give the others a file's name")
        if self.tensorboard == files.STDOUT:
            raise UserError("--tensorboard needs a folder: TensorBoard reads its files from one")
        for value in given:
            if value != files.STDOUT and value != self.tensorboard:
                files.refuse(Path(value).expanduser())
        if self.tensorboard is not None:
            refuse_events(Path(self.tensorboard).expanduser())
        if self.parquet is not None:
            from dlmon.interop.writers import parquet

            parquet.require()


def export(name: str, runs: Path, wanted: Wanted) -> int:
    """Write a run, or what another tool wrote, in each wanted form. Raises UserError."""
    wanted.check()
    folder = folder_of(name, runs)
    console = Console()
    if wanted.tensorboard is not None:
        points = _tensorboard(folder, Path(wanted.tensorboard).expanduser())
        console.say([f"{wanted.tensorboard}: {text.plural(points, 'point')} for TensorBoard"])
    for target, write, noun in _forms(folder, wanted):
        with files.target(target) as file:
            count = write(file)
        if target != files.STDOUT:
            console.say([f"{target}: {text.plural(count, noun)}"])
    return OK


def _forms(folder: Path, wanted: Wanted) -> list[tuple[str, Callable[[BinaryIO], int], str]]:
    """(where to, what writes it, what it counts)."""
    from dlmon.interop.writers import asciicast, csv, jsonl, parquet
    from dlmon.interop.writers.table import Table

    table = Table(folder)
    forms: list[tuple[str | None, Callable[[BinaryIO], int], str]] = [
        (wanted.csv, lambda file: csv.write(table.rows(), table.columns(), file), "row"),
        (wanted.parquet, lambda file: parquet.write(table.rows(), table.columns(), file), "row"),
        (wanted.jsonl, lambda file: jsonl.write(table.rows(), file), "row"),
        (wanted.asciicast, lambda file: asciicast.write(folder, file), "byte"),
    ]
    return [(target, write, noun) for target, write, noun in forms if target is not None]


def _tensorboard(folder: Path, target: Path) -> int:
    from dlmon.interop.writers import tensorboard
    from dlmon.interop.writers.table import Table
    from dlmon.record.manifest import read_manifest

    manifest = read_manifest(folder)
    began = (manifest.created if manifest is not None else None) or 0.0
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {target}: {reason(error)}") from None
    with files.target(str(target / tensorboard.file_name(began))) as file:
        return tensorboard.write(((row.step, row.t, row.values) for row in Table(folder).rows()), file, began)
