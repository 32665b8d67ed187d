"""`dlmon report`: the evidence pack of a run, from its log alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dlmon.errors import OK, UserError
from dlmon.headless.console import Console
from dlmon.runs import find_rehearsal, short

DEFAULT = "report"  # folder in the run's own


def report(names: Sequence[str], runs: Path, *, output: str | None, as_json: bool) -> int:
    """Write the pack of the first run; the others stand beside it, and their rehearsals in its checklist."""
    from dlmon.report.collect import collect, collect_rehearsal
    from dlmon.report.contents import contents
    from dlmon.report.curves import available
    from dlmon.report.write import NO_PICTURES, check_target, write

    found = [(find_rehearsal(name, runs), name) for name in names]
    target = Path(output).expanduser() if output else _default(names[0], found[0][0], runs)
    check_target(target)  # before the work
    evidence = [collect_rehearsal(folder) if folder else collect(_run(name, runs)) for folder, name in found]
    rehearsals = [one.rehearsal for one in evidence if one.rehearsal is not None]
    trained = [one for place, one in enumerate(evidence) if place == 0 or one.rehearsal is None]
    if len({one.folder for one in trained}) < len(trained):
        raise UserError("the same run is named twice; name each once")
    notes = () if available() else (NO_PICTURES,)
    pack = contents(trained, rehearsals=rehearsals, notes=notes)
    files = write(pack, target)
    console = Console()
    if as_json:
        row = {"run": pack.evidence.name, "folder": str(target.resolve()), "files": files, "notes": list(notes)}
        console.data([json.dumps(row, indent=1, ensure_ascii=False)])
    else:
        console.data([f"{short(target.resolve())}: {len(files)} files; open {short(target.resolve() / 'report.html')}"])
        console.say(notes)
    return OK


def _run(name: str, runs: Path) -> Path:
    """The folder of a run; of another tool's log, the run that is made of it."""
    from dlmon.interop.open import import_source, run_or_source

    found = run_or_source(name, runs)
    return found if isinstance(found, Path) else import_source(found)


def _default(name: str, rehearsal: Path | None, runs: Path) -> Path:
    """Where a pack goes that nobody has named a place for: into the run's folder."""
    from dlmon.interop.open import run_or_source

    found = rehearsal or run_or_source(name, runs)
    if not isinstance(found, Path):
        raise UserError(f"{name} is another tool's log: say where the pack goes with -o")
    return found / DEFAULT
