"""`dlmon ls`, `mark`, `prune`, `findings` and `doctor`: tables and lists on stdout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlmon import text
from dlmon.commands.run import Look
from dlmon.errors import FAILED, OK, UserError, reason
from dlmon.headless.console import Console
from dlmon.runs import find_rehearsal, resolve

if TYPE_CHECKING:
    from dlmon.catalogue.prune import Candidate


def ls(runs: Path, look: Look, *, wanted: str = "", sort: str | None = None) -> int:
    """The runs and rehearsals: in the browser on a terminal, else as a table, oldest first. Raises UserError."""
    from dlmon.catalogue import order
    from dlmon.catalogue.catalogue import Catalogue
    from dlmon.catalogue.words import strict_filter

    look.check()
    meant = strict_filter(wanted)
    column, reverse = order.column_of(sort or order.TIME)
    names = Catalogue(runs, kept=False).names()
    if look.on_screen and names:
        from dlmon.commands.browse import browse

        return browse(runs, look, wanted=wanted, sort=sort)
    catalogue = Catalogue(runs)
    found = [row for row in catalogue.rows(size=True) if meant.takes(row)]
    catalogue.save()
    rows = order.ordered(found, column, reverse=reverse)
    console = Console()
    if look.as_json:
        console.data([json.dumps([row.as_json() for row in rows], indent=1)])
    elif rows:
        from dlmon.headless.listing import table

        console.data(table(rows))
    elif names and wanted:
        console.say([f"none of {text.plural(len(names), 'run')} in {runs} fits {text.clean(wanted)!r}"])
    else:
        console.say([f"no runs in {runs} yet; start one with: dlmon train.py"])
    return OK


def mark(name: str, runs: Path, *, tags: Sequence[str], untag: Sequence[str], note: str | None) -> int:
    """Change a run's tags and note, and print them as they are then. Raises UserError.

    A link is followed: what is written lies in the run itself, and a line says where that is.
    """
    from dlmon.record.marks import read_marks, write_marks

    folder = find_rehearsal(name, runs) or resolve(name, runs).folder
    before = read_marks(folder)
    marks = before.with_tags(tags, untag)
    if note is not None:
        marks = marks.with_note(note)
    if marks != before:
        try:
            write_marks(folder, marks)
        except OSError as error:
            raise UserError(f"cannot write the marks of {folder.name}: {reason(error)}") from None
        link = _unresolved(name, runs)
        if link.is_symlink():
            Console().say([text.clean(f"{link.name} is a link: written to the run itself, {folder}")])
    told = [f"tags: {' '.join(marks.tags) or 'none'}", f"note: {marks.note or 'none'}"]
    Console().data([text.clean(line) for line in told])
    return OK


def prune(
    names: Sequence[str],
    runs: Path,
    *,
    older_than: str | None,
    keep: int | None,
    wanted: str,
    yes: bool,
    as_json: bool,
) -> int:
    """Say which runs would go, or remove them; exit code 1 when one of them could not be removed. Raises UserError."""
    from dlmon.catalogue import prune as removal
    from dlmon.headless.listing import foreign_lines, prune_table, spared_lines

    candidates = _meant(names, runs, older_than=older_than, keep=keep, wanted=wanted)
    going = [one for one in candidates if not one.spared]
    removed = {one.row.folder: removal.remove(Path(one.row.folder)) for one in going} if yes else {}
    failed = [f"{Path(folder).name}: {why}" for folder, why in removed.items() if why]
    gone = [one for one in going if not removed.get(one.row.folder)]
    total = sum(one.size for one in gone)
    console = Console()
    if as_json:
        told = {
            "removed": yes, "bytes": total,
            "runs": [one.row.as_json() | {"size": one.size, "foreign": vars(one.foreign)} for one in gone],
            "spared": [{"name": one.row.name, "why": one.spared} for one in candidates if one.spared],
            "failed": failed,
        }  # fmt: skip
        console.data([json.dumps(told, indent=1)])
    elif gone:
        console.data(prune_table(gone))
    console.say(spared_lines([one for one in candidates if one.spared]) if not as_json else [])
    console.say(foreign_lines(gone, removed=yes) if not as_json else [])
    console.say([text.clean(line) for line in failed])
    amount = text.plural(len(gone), "run")
    if not gone:
        console.say(["nothing to remove"])
    elif yes:
        console.say([f"removed {amount}, {text.size(total)}"])
    else:
        console.say([f"{amount}, {text.size(total)}, would be removed; nothing was: add --yes to remove them"])
    return FAILED if failed else OK


def _meant(
    names: Sequence[str], runs: Path, *, older_than: str | None, keep: int | None, wanted: str
) -> list[Candidate]:
    """The runs that the options mean, with why some of them stay."""
    from dlmon.catalogue import prune as removal
    from dlmon.catalogue.catalogue import Catalogue
    from dlmon.catalogue.rows import read_row
    from dlmon.catalogue.words import filter_of, strict_filter

    if not names and older_than is None and keep is None and not wanted.strip():
        raise UserError("say which runs: by name, --older-than 30d, --keep 20 or --filter failed")
    if keep is not None and keep < 0:
        raise UserError(f"--keep {keep}: give the number of runs to spare, such as 20")
    filters = [strict_filter(wanted)]
    if older_than is not None:
        filters.append(filter_of(f"older:{older_than}"))
        if filters[-1].trouble:
            raise UserError(f"--older-than: {filters[-1].trouble}")
    if names:
        # Not resolved: a link to a run is a link.
        folders = dict.fromkeys(_unresolved(name, runs) for name in names)
        rows = [row for row in map(read_row, folders) if row is not None]
    else:
        rows = list(Catalogue(runs).rows(size=filters[0].needs_size))
    meant = (row for row in rows if all(one.takes(row) for one in filters))
    return removal.plan(meant, keep=keep or 0, by_name=bool(names))


def _unresolved(name: str, runs: Path) -> Path:
    folder = find_rehearsal(name, runs) or resolve(name, runs).folder
    typed = Path(name).expanduser()
    return typed if typed.is_symlink() else runs / name if (runs / name).is_symlink() else folder


def findings(name: str, runs: Path, *, as_json: bool, everything: bool) -> int:
    """What the checks say of a run. Exit code 0 whatever they say: the question was answered."""
    from dlmon.headless import findings as judged

    view = judged.read(resolve(name, runs).folder)
    Console().data([judged.as_json(view.judgement)] if as_json else judged.lines(view, everything=everything))
    return OK


def doctor(runs: Path, *, python: str | None, as_json: bool) -> int:
    """What works here; exit code 1 when something that every run needs does not."""
    from dlmon.launch import diagnose

    console = Console()
    verdicts = []
    answers = []
    for answer in diagnose.examine(runs, python):
        verdicts.append(answer.verdict)
        answers.append(vars(answer))
        if not as_json:
            console.data([f"{_SIGNS[answer.verdict]:<5} {answer.subject:<16} {answer.text}"])
    if as_json:
        console.data([json.dumps(answers, indent=1, ensure_ascii=False)])
    return FAILED if diagnose.BAD in verdicts else OK


_SIGNS = {"ok": "ok", "bad": "BAD", "note": "note"}
