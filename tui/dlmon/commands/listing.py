"""`dlmon ls`, `dlmon findings` and `dlmon doctor`: tables and lists on stdout."""

from __future__ import annotations

import json
from pathlib import Path

from dlmon.errors import FAILED, OK
from dlmon.headless.console import Console
from dlmon.runs import all_rehearsals, all_runs, resolve


def ls(runs: Path, *, as_json: bool) -> int:
    """All runs and rehearsals, oldest first: their names begin with their time."""
    from dlmon.headless.listing import rehearsal_row, row, table

    rehearsals = [rehearsal_row(folder) for folder in all_rehearsals(runs)]
    found = [row(run) for run in all_runs(runs)] + [item for item in rehearsals if item is not None]
    rows = sorted(found, key=lambda item: item.name)
    console = Console()
    if as_json:
        console.data([json.dumps([item.as_json() for item in rows], indent=1)])
    elif rows:
        console.data(table(rows))
    else:
        console.say([f"no runs in {runs} yet; start one with: dlmon train.py"])
    return OK


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
