"""Where the runs made of other tools' logs are kept: derived, safe to delete, made anew when the source changed.

`$XDG_CACHE_HOME/dlmon/imported/<digest of the path>/<digest of the files>/<name>/` is a run folder. The digest of the
path stands for the source, and holds a lock: the process that has it converts, all others read what it writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dlmon.interop.sources import Source
from dlmon.launch.folder import plain_name
from dlmon.record import layout

VERSION = 2  # of the conversion: what an older one made is not used
DONE = "imported.json"
_LOCK = "lock"


def default_cache() -> Path:
    """$XDG_CACHE_HOME/dlmon/imported, by default below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "dlmon" / "imported"


def place_of(source: Source, cache: Path) -> Path:
    """The folder for all that was ever made of a source."""
    path = str(source.path.resolve())
    return cache / hashlib.sha256(f"{source.form}\n{path}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def name_of(source: Source) -> str:
    """What the run is called: as the folder it lies in where the file has the same name in every run."""
    path = source.path.resolve()
    of_its_folder = source.form in ("tensorboard", "trainer_state", "wandb") or path.name == "metrics.csv"
    if path.is_file() and of_its_folder:
        return path.parent.name or path.stem
    return path.stem if path.is_file() else path.name


def identity(source: Source) -> str:
    """A digest of which files there are, how long and how old: it changes when a source grows or is replaced."""
    rows: list[object] = [VERSION]
    for path in source.files():
        with contextlib.suppress(OSError):
            status = path.stat()
            rows.append([str(path), status.st_size, status.st_mtime_ns, status.st_ino])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def finished(place: Path, wanted: str) -> Path | None:
    """The run folder of a source as it is now, if it is there."""
    for generation in _generations(place):
        try:
            row = json.loads((generation / DONE).read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if row == {"identity": wanted}:
            return _run_in(generation)
    return None


def newest(place: Path) -> Path | None:
    """The run folder that was begun last, once its manifest is there."""
    found = [(generation.stat().st_mtime, run) for generation in _generations(place) if (run := _run_in(generation))]
    return max(found)[1] if found else None


def _run_in(generation: Path) -> Path | None:
    return next((path.parent for path in generation.glob(f"*/{layout.MANIFEST}")), None)


def _generations(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return []


def new_run(place: Path, wanted: str, name: str) -> Path:
    """An empty folder for a conversion. Only with the lock. Raises OSError.

    Of those made before, the newest two stay: a screen may be showing them.
    """
    before = sorted(_generations(place), key=lambda generation: generation.stat().st_mtime)
    for generation in before[:-2]:
        shutil.rmtree(generation, ignore_errors=True)
    shutil.rmtree(place / wanted, ignore_errors=True)  # left by a conversion that was ended
    folder = place / wanted / plain_name(name)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def mark_finished(folder: Path, reached: str) -> None:
    """Say which state of the source is in a run folder. Raises OSError."""
    scratch = folder.parent / f".{DONE}"
    scratch.write_text(json.dumps({"identity": reached}))
    scratch.replace(folder.parent / DONE)


@contextlib.contextmanager
def locked(place: Path) -> Iterator[bool]:
    """Holds the lock of a source within the block: true if this process has it. Raises OSError."""
    descriptor = take(place)
    try:
        yield descriptor is not None
    finally:
        give(descriptor)


def take(place: Path) -> int | None:
    """Take the lock until `give`; None where another process has it. Raises OSError."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def give(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
