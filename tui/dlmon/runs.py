"""Where runs live and how one is named on the command line: a folder, a unique prefix of a name, or `last`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError, reason
from dlmon.launch import requests
from dlmon.record import layout
from dlmon.record.manifest import Manifest, read_manifest

DEFAULT_FOLDER = "dlmon_runs"
VARIABLE = "DLMON_RUNS"
LAST = "last"
REHEARSAL = "rehearsal.json"
MOST_LISTED = 5


@dataclass(frozen=True)
class Run:
    """A run folder with its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def over(self) -> bool:
        """It has an outcome, or no supervisor of it is alive any more (as far as this machine can tell)."""
        if self.manifest.outcome is not None:
            return True
        elsewhere = self.manifest.host not in ("", os.uname().nodename)
        return not elsewhere and not requests.supervised(self.folder)


def runs_folder(given: str | None = None) -> Path:
    """The folder that holds the runs: as given, else $DLMON_RUNS, else ./dlmon_runs. It need not exist."""
    return Path(given or os.environ.get(VARIABLE) or DEFAULT_FOLDER).expanduser()


def shown_name(folder: Path) -> str:
    """What to type after `dlmon replay` here for the run in `folder`: its name, or its path when the run is not where
    names are looked for."""
    if folder.parent == runs_folder().resolve():
        return folder.name
    return short(folder)


def short(folder: Path) -> str:
    """A folder as seen from here, where that is shorter."""
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative


def all_runs(runs: Path) -> list[Run]:
    """Every run in a folder, oldest first; folders without a readable manifest are left out.

    Raises UserError when the folder is there but cannot be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(runs) if entry.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read the runs in {runs}: {reason(error)}") from None
    found = ((runs / name, read_manifest(runs / name)) for name in names)
    listed = [Run(folder, manifest) for folder, manifest in found if manifest is not None]
    return sorted(listed, key=lambda run: (run.manifest.created or 0.0, run.folder.name))


def all_rehearsals(runs: Path) -> list[Path]:
    """The folders of the rehearsals, oldest first."""
    return sorted((path.parent for path in runs.glob(f"*/{REHEARSAL}")), key=lambda folder: folder.name)


def find_rehearsal(name: str, runs: Path) -> Path | None:
    """The folder of the rehearsal that `name` means: a folder, the unique beginning of a name, or `last` where that is
    newer than every run. None for a run."""
    direct = Path(name).expanduser()
    if direct.is_dir():
        return direct.resolve() if (direct / REHEARSAL).exists() else None
    rehearsals = all_rehearsals(runs)
    if name == LAST:
        others = max((run.folder.name for run in all_runs(runs)), default="")
        found = [folder for folder in rehearsals[-1:] if folder.name > others]
    else:
        found = [folder for folder in rehearsals if folder.name.startswith(name)]
    return found[0].resolve() if len(found) == 1 else None


def resolve(name: str, runs: Path) -> Run:
    """The run that `name` means. Raises UserError when there is none, or when several begin like that."""
    direct = Path(name).expanduser()
    if (os.sep in name or direct.is_dir()) and (direct / layout.MANIFEST).exists():
        return open_run(direct)
    if os.sep in name and (runs / name / layout.MANIFEST).exists():  # a stage of a rehearsal
        return open_run(runs / name)
    if os.sep in name:
        raise UserError(f"{name} is not a run: there is no {layout.MANIFEST} in it; see: dlmon ls")
    if name == LAST:
        return _last(runs)
    if (runs / name / layout.MANIFEST).exists():
        return open_run(runs / name)
    matching = [run for run in all_runs(runs) if run.folder.name.startswith(name)]
    if not matching:
        _refuse_rehearsal(name, runs)
        raise UserError(f"no run in {runs} has a name that begins with {name!r}; see: dlmon ls")
    if len(matching) > 1:
        names = ", ".join(run.folder.name for run in matching[-MOST_LISTED:])
        more = f" and {len(matching) - MOST_LISTED} more" if len(matching) > MOST_LISTED else ""
        raise UserError(f"{name!r} is the beginning of {len(matching)} runs: {names}{more}; give more of the name")
    return matching[0]


def _refuse_rehearsal(name: str, runs: Path) -> None:
    """Raises UserError where `name` means a rehearsal, with the names of the runs in it."""
    folder = find_rehearsal(name, runs)
    if folder is not None:
        stages = sorted(path.parent.name for path in folder.glob(f"*/{layout.MANIFEST}"))
        named = " or ".join(f"{folder.name}/{stage}" for stage in stages) or "none yet"
        raise UserError(f"{folder.name} is a rehearsal: dlmon attach shows it; the runs of its stages are {named}")


def open_run(folder: Path) -> Run:
    """The run in a folder. Raises UserError when its manifest cannot be read."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(f"{folder / layout.MANIFEST} cannot be read: it is not a run's manifest, or is damaged")
    return Run(folder.resolve(), manifest)


def _last(runs: Path) -> Run:
    listed = all_runs(runs)
    if not listed:
        raise UserError(
            f"there is no run in {runs} yet; start one with dlmon train.py, or name another folder with --runs-dir"
        )
    return open_run(listed[-1].folder)
