"""A comparison as plain lines: what differs first, then what came of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from dlmon import text
from dlmon.compare.changes import CODE, Changes, Difference
from dlmon.compare.comparison import Comparison, FindingMoves
from dlmon.compare.metrics import Metric, Reading, delta
from dlmon.compare.noise import FACTOR
from dlmon.compare.seeds import Group
from dlmon.compare.side import Side
from dlmon.text import MISSING, clean, number

MOST_DIFF_LINES = 40  # of all files together
MOST_METRICS = 24  # rows; --json has all
LONGEST_VALUE = 44
NARROWEST = 60
_NOISE = "Noise: how far a run's own last values lie from a straight line through them."


def lines(comparison: Comparison, width: int) -> list[str]:
    """The whole text but the curves; `width` in columns."""
    width = max(NARROWEST, width)
    shown = runs(comparison.sides)
    for item in comparison.changes:
        shown += ["", *changed(item, several=len(comparison.sides) > 2, width=width)]
    shown += ["", *outcome(comparison, width)]
    for moves in comparison.findings:
        shown += _findings(moves, width)
    shown += _conditions(comparison)
    return shown


def runs(sides: Sequence[Side]) -> list[str]:
    """One line for each run."""
    longest = max(len(clean(side.name)) for side in sides)
    shown = []
    for side in sides:
        snapshot = side.snapshot
        how = f"{snapshot.state}{f' ({clean(snapshot.detail)})' if snapshot.detail else ''}"
        parts = [how, text.plural(snapshot.step, "step"), text.duration(snapshot.elapsed)]
        parts += ["still runs: these are its numbers so far"] if not snapshot.over else []
        shown.append(f"{side.letter}  {clean(side.name):<{longest}}  {', '.join(parts)}")
    return shown


# ---------------------------------------------------------------- what differs


def changed(item: Changes, *, several: bool, width: int) -> list[str]:
    """What differs between the baseline and one run, and the sentence that follows."""
    shown = [f"what differs{f' between A and {item.letter}' if several else ''}"]
    rows = [*item.causes, *item.seeds]
    shown += _table(rows)
    budget = MOST_DIFF_LINES
    for difference in item.causes:
        if difference.kind == CODE:
            diff = difference.diff[:budget]
            budget -= len(diff)
            shown += [f"    {clean(line)}" for line in diff]
            left = len(difference.diff) - len(diff)
            shown += [f"    … {text.plural(left, 'line')} more of {clean(difference.name)}"] if left else []
    shown += _aside("of no effect on the result", item.aside)
    shown += _aside("seen in the runs", item.observed)
    shown += [*_start(item)]
    return [*shown, *textwrap.wrap(clean(item.sentence()), width)]


def _table(rows: Sequence[Difference]) -> list[str]:
    if not rows:
        return []
    kinds = max(len(row.kind) for row in rows)
    names = max(len(clean(row.name)) for row in rows)
    return [f"  {row.kind:<{kinds}}  {clean(row.name):<{names}}  {_pair(row)}" for row in rows]


def _pair(row: Difference) -> str:
    if row.kind == CODE:
        return f"{row.before + ': ' if row.before else ''}{row.after}"
    return f"{_short(row.before)} -> {_short(row.after)}"


def _short(value: str) -> str:
    value = clean(value)
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def _aside(title: str, rows: Sequence[Difference]) -> list[str]:
    if not rows:
        return []
    names = max(len(clean(row.name)) for row in rows)
    return [f"  {title}:", *(f"    {clean(row.name):<{names}}  {_pair(row)}" for row in rows)]


def _start(item: Changes) -> list[str]:
    if item.parts is not None and item.same_steps:
        same = "loss is" if item.same_steps == 1 else f"{item.same_steps} losses are"
        return [f"  the first {same} equal, they part at step {item.parts:,}"]
    if item.parts is not None:
        return ["  the very first losses differ"]
    if item.same_steps:
        return [f"  the first {text.plural(item.same_steps, 'loss', 'losses')} are equal"]
    return []


# ---------------------------------------------------------------- what came of it


def outcome(comparison: Comparison, width: int) -> list[str]:
    """Metrics, over seeds where there are several, and resources, as tables."""
    letters = [side.letter for side in comparison.sides]
    metrics = comparison.metrics[:MOST_METRICS]
    rows = [["what came of it", *letters, *_against(letters)]]
    rows += [_row(metric, [number(reading.value) for reading in metric.readings]) for metric in metrics]
    left = len(comparison.metrics) - len(metrics)
    shown = (
        _columns(rows, width) if metrics else ["what came of it: no loss, no evaluation and nothing logged was seen"]
    )
    shown += [f"… {text.plural(left, 'row')} more: --json has all"] if left > 0 else []
    shown += _legend(metrics)
    if comparison.over_seeds:
        shown += ["", *_over_seeds(comparison, width)]
    if comparison.resources:
        rows = [["what it took", *letters, *_against(letters)]]
        for item in comparison.resources:
            rows.append(_row(item.metric, [item.shown(reading.value) for reading in item.metric.readings]))
        shown += ["", *_columns(rows, width)]
    return shown


def _against(letters: Sequence[str]) -> list[str]:
    return [f"{letter} against A" for letter in letters[1:]]


def _row(metric: Metric, values: Sequence[str]) -> list[str]:
    return [clean(metric.label), *values, *(difference(metric, place) for place in range(1, len(metric.readings)))]


def difference(metric: Metric, place: int) -> str:
    """`+17 % worse *`: the star stands where it exceeds the noise, a question mark where no noise is known."""
    found = delta(metric, place)
    if found.difference is None:
        broke = found.beyond and found.better is not None
        return ("better *" if found.better else "worse *") if broke else MISSING
    if found.difference == 0:
        return "equal"
    amount = _percent(found.share) if found.share is not None else f"{found.difference:+.3g}"
    word = "" if found.better is None else " better" if found.better else " worse"
    sign = {True: " *", False: " ~", None: " ?" if metric.what else ""}[found.beyond]
    return f"{amount}{word}{sign}"


def _percent(share: float) -> str:
    hundredths = share * 100
    if abs(hundredths) >= 1000:
        return f"×{1 + share:.3g}"
    return f"{hundredths:+.1f} %" if abs(hundredths) < 9.95 else f"{hundredths:+.0f} %"


def _legend(metrics: Sequence[Metric]) -> list[str]:
    signs = [difference(metric, place)[-1:] for metric in metrics for place in range(1, len(metric.readings))]
    words = {
        "*": f"* more than {FACTOR:g} standard deviations of it",
        "~": f"~ within {FACTOR:g} standard deviations of it",
        "?": "? too few values to know it",
    }
    told = [words[sign] for sign in words if sign in signs]
    if not told:
        return []
    return [
        _NOISE,
        "; ".join(told) + ".",
        "Another seed may differ by more than a run's own noise: only several seeds tell.",
    ]


def _over_seeds(comparison: Comparison, width: int) -> list[str]:
    letters = ["".join(comparison.sides[place].letter for place in group.members) for group in comparison.seeds]
    rows = [["over seeds (mean ± standard error)", *letters, *(f"{one} against {letters[0]}" for one in letters[1:])]]
    rows += [_row(metric, [_with_noise(reading) for reading in metric.readings]) for metric in comparison.over_seeds]
    sizes = ", ".join(
        f"{letter} {text.plural(_runs(group), 'run')}" for letter, group in zip(letters, comparison.seeds)
    )
    factor = comparison.over_seeds[0].factor
    return [*_columns(rows, width), f"{sizes}; * more than {factor:g} standard errors (Student's t at 95 %)."]


def _runs(group: Group) -> int:
    return len(group.members)


def _with_noise(reading: Reading) -> str:
    return number(reading.value) + (f" ± {number(reading.noise)}" if reading.noise is not None else "")


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The first column to the left, numbers to the right, below each other. What is too wide goes on below: the first
    column again, with the columns that found no room."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown: list[str] = []
    start = 1
    while start < len(widths):
        end, used = start + 1, widths[0] + 2 + widths[start]
        while end < len(widths) and used + 2 + widths[end] <= width:
            used += 2 + widths[end]
            end += 1
        shown += [""] if shown else []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(start, end))]
            shown.append("  ".join(cells).rstrip())
        start = end
    return shown


def _findings(moves: FindingMoves, width: int) -> list[str]:
    if not moves.appeared and not moves.gone:
        same = text.plural(len(moves.both), "finding")
        return [
            "",
            f"findings: the same in A and {moves.letter} ({same})"
            if moves.both
            else f"findings: none in A and {moves.letter}",
        ]
    shown = ["", "findings"]
    for sign, word, found in (("+", f"only in {moves.letter}", moves.appeared), ("-", "only in A", moves.gone)):
        for finding in found:
            head = f"  {sign} {word}: {finding.severity}  {finding.id}  {clean(finding.title)}"
            shown += textwrap.wrap(head, width, subsequent_indent="      ")
    return shown


def _conditions(comparison: Comparison) -> list[str]:
    if not comparison.verdicts:
        return []
    shown = [""]
    for verdict in comparison.verdicts:
        word = "holds" if verdict.holds else "does not hold"
        shown.append(f"{clean(verdict.condition)}  {word} for {verdict.letter} ({verdict.values})")
    return shown
