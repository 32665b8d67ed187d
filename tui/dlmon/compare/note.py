"""A template of an experiment note: the evidence is filled in, question and conclusion are for the person."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlmon.compare import text as told
from dlmon.compare.changes import SEVERAL, Changes
from dlmon.compare.comparison import Comparison
from dlmon.text import clean, duration, number

MOST_DIFF_LINES = 200


def note(comparison: Comparison, command: str) -> str:
    """Markdown. command: what prints this comparison again."""
    return "\n".join(_note(comparison, command)) + "\n"


def _note(comparison: Comparison, command: str) -> Iterator[str]:
    yield from (
        f"# Experiment: {_title(comparison)}",
        "",
        "## Question",
        "",
        "What did you want to know, and what did you expect?",
        "",
    )
    yield from ("## The one change", "")
    for item in comparison.changes:
        yield from _changed(item)
    yield from ("## Runs", "", "| run | folder | command | state | steps | time |", "|---|---|---|---|---|---|")
    for side in comparison.sides:
        snapshot = side.snapshot
        cells = [
            side.letter, side.name, f"`{clean(' '.join(side.manifest.argv)).replace('`', '')}`", snapshot.state,
            f"{snapshot.step:,}", duration(snapshot.elapsed),
        ]  # fmt: skip
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield from ("", "## Evidence", "", f"`{command}`", "")
    yield from _metrics(comparison)
    yield from _findings(comparison)
    yield from ("## Conclusion", "", "What do you conclude, and what would have convinced you of the opposite?", "")
    yield from ("## Next", "", "The one thing to change next, and why.")


def _title(comparison: Comparison) -> str:
    causes = [cause.shown for item in comparison.changes for cause in item.causes]
    return _cell(", ".join(dict.fromkeys(causes)) or "the same thing again")


def _changed(item: Changes) -> Iterator[str]:
    yield f"A → {item.letter}: {_plain(item.sentence())}"
    yield ""
    if item.verdict == SEVERAL:
        yield "> Not one change: what follows is no evidence for any of them alone."
        yield ""
    for difference in [*item.causes, *item.seeds]:
        if difference.diff:
            yield from (f"- {difference.kind} {_plain(difference.name)}", "", "```diff")
            yield from (clean(line).replace("```", "'''") for line in difference.diff[:MOST_DIFF_LINES])
            yield from ("```", "")
        else:
            pair = f"{_plain(difference.before)} → {_plain(difference.after)}"
            yield f"- {difference.kind} {_plain(difference.name)}: {pair}"
    yield ""


def _metrics(comparison: Comparison) -> Iterator[str]:
    letters = [side.letter for side in comparison.sides]
    heads = ["", *letters, *(f"{letter} against A" for letter in letters[1:])]
    yield from (f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1))
    for metric in comparison.metrics:
        values = [number(reading.value) for reading in metric.readings]
        against = [told.difference(metric, place) for place in range(1, len(letters))]
        yield f"| {' | '.join(_cell(cell) for cell in (metric.label, *values, *against))} |"
    for item in comparison.resources:
        values = [item.shown(reading.value) for reading in item.metric.readings]
        against = [told.difference(item.metric, place) for place in range(1, len(letters))]
        yield f"| {' | '.join(_cell(cell) for cell in (item.metric.label, *values, *against))} |"
    yield from ("", "`*` beyond the noise of the runs, `~` within it, `?` noise not known.", "")


def _findings(comparison: Comparison) -> Iterator[str]:
    for moves in comparison.findings:
        for word, found in ((f"only in {moves.letter}", moves.appeared), ("only in A", moves.gone)):
            for finding in found:
                yield f"- {word}: {finding.severity} `{finding.id}` {_plain(finding.title)}"
    yield ""


def _plain(text: str) -> str:
    """Text of a log or a script as text of the note: nothing in it is markup."""
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", clean(text))


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|").replace("<", "&lt;")
