"""Another tool's log as a run folder of our own, so that everything that shows a run shows it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import dlmon
from dlmon import text
from dlmon.errors import UserError, reason
from dlmon.interop import cache as kept
from dlmon.interop.convert import Conversion, origin_of
from dlmon.interop.sources import Source, recognise
from dlmon.record import layout
from dlmon.record.manifest import Manifest, write_manifest
from dlmon.runs import resolve

QUIET_SECONDS = 600.0  # a source without a change for so long is not expected to grow; SummaryWriter flushes at 120 s
POLL_SECONDS = 0.25
FIRST_SECONDS = 1.0  # converted before the screen opens; the rest comes while it is open
WAIT_SECONDS = 120.0  # for another process that is converting the same source


def open_source(path: Path, cache: Path | None = None) -> Path | None:
    """The run folder made of what another tool wrote at `path`; None when there is nothing there that we can read.

    It lies in the cache folder, and is made only when there is none of the source as it is now. Raises UserError when
    the source is damaged so that nothing can be read of it, or holds no number.
    """
    source = recognise(path)
    return None if source is None else import_source(source, cache)


def import_source(source: Source, cache: Path | None = None) -> Path:
    """`open_source` for a source that was recognised."""
    try:
        return _converted(source, kept.place_of(source, cache or kept.default_cache()))
    except OSError as error:
        raise _trouble(source, error) from None


def _converted(source: Source, place: Path) -> Path:
    wanted = kept.identity(source)
    found = kept.finished(place, wanted)
    if found is not None:
        return found
    with kept.locked(place) as ours:
        if not ours:
            return _of_another(place)
        return _convert_all(source, place, wanted)


def _of_another(place: Path) -> Path:
    """Another process follows the same source: what it has written so far, once there is something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        folder = kept.newest(place)
        if folder is not None:
            return folder
        time.sleep(0.05)
    raise UserError(f"another dlmon has been converting this for {WAIT_SECONDS:g} s; end it, or remove {place}")


def _convert_all(source: Source, place: Path, wanted: str) -> Path:
    folder = kept.new_run(place, wanted, kept.name_of(source))
    conversion = Conversion(source.reader(), folder, origin_of(source.path))
    try:
        while conversion.advance():
            pass
        conversion.finish()
    finally:
        conversion.close()
    _require_points(source, conversion)
    _write_manifest(source, folder, conversion)
    kept.mark_finished(folder, wanted)
    return folder


def _require_points(source: Source, conversion: Conversion) -> None:
    if conversion.points:
        return
    told = "; ".join(["", *conversion.reader.trouble])
    path = text.clean(str(source.path))
    if not source.size():
        raise UserError(f"{path} is empty: there is nothing to show yet")
    raise UserError(f"{path}: no number could be read of this {conversion.reader.kind}{told}")


def _write_manifest(source: Source, folder: Path, conversion: Conversion, follower: int | None = None) -> None:
    """run.json, with where it came from in place of a command. follower: process id of who converts on."""
    path = source.path.resolve()
    write_manifest(
        folder,
        Manifest(
            name=folder.name, command=[f"{conversion.reader.kind}:", str(path)], cwd=str(path.parent),
            created=conversion.origin, supervisor_pid=follower, host=os.uname().nodename, dlmon=dlmon.__version__,
        ),
    )  # fmt: skip


def _trouble(source: Source, error: OSError) -> UserError:
    where = error.filename or source.path
    return UserError(text.clean(f"cannot import {source.path}: {where}: {reason(error)}"))


def run_or_source(name: str, runs: Path) -> Path | Source:
    """What a name on the command line means: the folder of a run, or what another tool wrote at that path.

    Raises UserError, as `resolve` does.
    """
    path = Path(name).expanduser()
    if (runs / name / layout.MANIFEST).exists():
        return resolve(name, runs).folder
    source = recognise(path)
    if source is not None:
        return source
    if path.is_file():
        raise UserError(f"{name} is no log that can be read: give TensorBoard events, a .csv, a .jsonl, a .wandb file "
                        "or a trainer_state.json")  # fmt: skip
    return resolve(name, runs).folder


def folder_of(name: str, runs: Path) -> Path:
    """The folder of a run, or of the run made of what another tool wrote. Raises UserError."""
    found = run_or_source(name, runs)
    return found if isinstance(found, Path) else import_source(found)


def grows(source: Source, now: float | None = None) -> bool:
    """Whether any file of it changed within the last ten minutes."""
    clock = time.time() if now is None else now
    for path in source.files():
        try:
            if clock - path.stat().st_mtime < QUIET_SECONDS:
                return True
        except OSError:
            continue
    return False


class Following:
    """Converts a source that still grows, on a thread of its own, until `close`.

    folder: the run folder; there and with a manifest after __init__.
    """

    def __init__(self, source: Source, cache: Path | None = None) -> None:
        """Converts the beginning of it. Raises UserError as `open_source` does; an empty source is waited for."""
        self.source = source
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        place = kept.place_of(source, cache or kept.default_cache())
        try:
            self._lock = kept.take(place)
            self.folder = self._begin(place) if self._lock is not None else _of_another(place)
        except OSError as error:
            self.close()
            raise _trouble(source, error) from None
        except UserError:
            self.close()
            raise

    def _begin(self, place: Path) -> Path:
        folder = kept.new_run(place, kept.identity(self.source), kept.name_of(self.source))
        self._conversion = conversion = Conversion(self.source.reader(), folder, origin_of(self.source.path))
        deadline = time.monotonic() + FIRST_SECONDS
        while conversion.advance() and time.monotonic() < deadline:
            pass
        conversion.flush()
        conversion.clock = time.time
        _write_manifest(self.source, folder, conversion, os.getpid())
        self._thread = threading.Thread(target=self._follow, name="dlmon-import", daemon=True)
        self._thread.start()
        return folder

    def _follow(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                self._step()
            except (OSError, UserError):
                continue  # the source is being replaced, or is gone: what was read stays
        self._conversion.close()

    def _step(self) -> None:
        moved = False
        while not self._closing.is_set() and self._conversion.advance():
            moved = True
        if moved:
            self._conversion.flush()

    def close(self) -> None:
        """Stop, and let others convert."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        kept.give(self._lock)
        self._lock = None
