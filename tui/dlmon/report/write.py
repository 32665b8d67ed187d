"""A pack as a folder: made beside its place and put there in one piece."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmon import text
from dlmon.errors import UserError, reason
from dlmon.report import curves
from dlmon.report.answers import ERROR_SAMPLES, confusion, error_samples
from dlmon.report.charts import charts, phase_bars
from dlmon.report.contents import Contents
from dlmon.report.html import page
from dlmon.report.metrics import summary
from dlmon.report.pages import debug_checklist, findings, shape_trace
from dlmon.report.readme import readme
from dlmon.report.tables import DIGITS, MODEL_COMPARISON, TRAINING_LOG, Cell
from dlmon.report.words import missing

MANIFEST = "manifest.json"
FORMAT = "dlmon evidence pack"
VERSION = 1
NO_PICTURES = "curves/ is empty: Matplotlib is not installed (pip install 'dlmon[report]'); report.html has the curves"
_FORMULA = ("=", "+", "-", "@", "\t")


def files(contents: Contents) -> dict[str, bytes]:
    """Every file of the pack but its manifest, by path."""
    evidence = contents.evidence
    samples, _ = error_samples(contents.answers.predictions)
    made: dict[str, bytes] = {
        "outputs/training_log.csv": table(TRAINING_LOG, (row.cells() for row in contents.rows)),
        "outputs/model_comparison.csv": table(MODEL_COMPARISON, (row.cells() for row in contents.models)),
        "outputs/confusion_matrix.csv": table(*confusion(contents.answers.predictions)),
        "outputs/error_samples.csv": table(ERROR_SAMPLES, samples),
        "outputs/metrics_summary.json": as_json(
            summary(evidence, contents.answers, missing(evidence, contents.answers, contents.rows))
        ),
        "checkpoints/best.json": as_json(contents.checkpoint.as_json()),
        "reports/shape_trace.md": shape_trace(evidence).encode(),
        "reports/debug_checklist.md": debug_checklist(evidence, contents.rehearsals).encode(),
        "reports/findings.md": findings(evidence).encode(),
        "README.md": readme(evidence, contents.rows, contents.models, contents.answers, contents.notes).encode(),
        "report.html": page(contents).encode(),
    }
    return made | pictures(contents)


def pictures(contents: Contents) -> dict[str, bytes]:
    """curves/*.png; none without Matplotlib."""
    if not curves.available():
        return {}
    made = {f"curves/{chart.file}.png": curves.draw(chart) for chart in charts(contents.evidence)}
    phases = phase_bars(contents.evidence)
    if phases is not None:
        made[f"curves/{phases.file}.png"] = curves.draw_bars(phases)
    header, rows = confusion(contents.answers.predictions)
    if rows and len(header) == len(rows) + 1:
        counts = [[cell if isinstance(cell, int) else 0 for cell in row[1:]] for row in rows]
        made["curves/confusion_matrix.png"] = curves.draw_matrix(header[1:], counts, contents.answers.which)
    return made


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """RFC 4180 with plain newlines. A word that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(cell) for cell in header])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.{DIGITS}g}" if math.isfinite(cell) else str(cell)
    if isinstance(cell, int):
        return str(cell)
    shown = text.clean(cell)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def as_json(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(_clean(row), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return text.clean(value)
    if isinstance(value, Mapping):
        return {text.clean(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def manifest(made: Mapping[str, bytes], run: str) -> bytes:
    rows = {
        path: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in sorted(made.items())
    }
    return as_json({"format": FORMAT, "version": VERSION, "run": run, "files": rows})


def write(contents: Contents, target: Path) -> list[str]:
    """The pack in the folder `target`, which is replaced when it is a pack; the paths of its files.

    Raises UserError where `target` is something else, or cannot be written.
    """
    check_target(target)
    made = files(contents)
    made[MANIFEST] = manifest(made, contents.evidence.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise UserError(f"cannot write in {target.parent}: {reason(error)}") from None
    try:
        _fill(scratch, made)
        _replace(scratch, target)
    except OSError as error:
        raise UserError(f"cannot write the pack to {target}: {reason(error)}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return sorted(made)


def check_target(target: Path) -> None:
    """Raises UserError when something that is not a pack lies at `target`."""
    if not target.exists() and not target.is_symlink():
        return
    if target.is_symlink() or not target.is_dir():
        raise UserError(f"{target} is not a folder; name another one with -o")
    if any(target.iterdir()) and not is_pack(target):
        raise UserError(f"{target} is not empty, and not (or not only) a pack of dlmon; name another folder with -o")


def is_pack(folder: Path) -> bool:
    """Whether a folder holds a pack and nothing else."""
    try:
        row = json.loads((folder / MANIFEST).read_bytes())
        ours = {*row["files"], MANIFEST} if row["format"] == FORMAT else set()
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return False
    return bool(ours) and there <= ours


def _fill(folder: Path, made: Mapping[str, bytes]) -> None:
    folder.chmod(0o755 & ~_umask())
    (folder / "curves").mkdir()
    for path, data in made.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _replace(scratch: Path, target: Path) -> None:
    """Two renames: between them the old pack lies beside, under the scratch folder's name."""
    if not target.exists():
        scratch.rename(target)
        return
    old = scratch.with_name(f"{scratch.name}.old")
    target.rename(old)
    try:
        scratch.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
