"""The tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from dlmon import text
from dlmon.rehearsal.report import Record
from dlmon.report.evidence import Evidence
from dlmon.report.pages import CheckRow, shapes, trace_of
from dlmon.report.tables import Cell, LogRow, ModelRow

MOST_ROWS = 200  # of a long table: the CSV has all
MOST_CALLS = 300
MOST_CLASSES = 40  # of a confusion matrix on the page
MOST_SAMPLES = 12

_GOOD, _BAD, _WARN = ("pass",), ("fail", "error"), ("warning", "inconclusive")


def _safe(words: str) -> str:
    return escape(text.clean(words))


def _table(header: Sequence[str], rows: Iterable[str], *, numbers: Sequence[int] = (), cls: str = "") -> str:
    heads = "".join(
        f'<th scope="col"{" class=number" if place in numbers else ""}>{_safe(name)}</th>'
        for place, name in enumerate(header)
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    kind = f' class="{cls}"' if cls else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(
    values: Sequence[str], numbers: Sequence[int] = (), wide: int | None = None, words: Sequence[int] = ()
) -> str:
    """wide: a column of sentences. words: columns that are not broken."""

    def kind(place: int) -> str:
        if place in words:
            return " class=word"
        return " class=number" if place in numbers else " class=wide" if place == wide else ""

    return "".join(f"<td{kind(place)}>{_safe(value)}</td>" for place, value in enumerate(values))


def models(rows: Sequence[ModelRow]) -> str:
    if not rows:
        return ""
    header = ("model", "run", "parameters", "from step", "steps", "best val loss", "best val accuracy", "step time",
              "peak memory", "findings")  # fmt: skip
    numbers = (2, 3, 4, 5, 6, 7, 8)
    shown = (
        _cells(
            (row.name, row.run, text.count(row.parameters), text.count(row.first_step), text.count(row.steps),
             text.number(row.best_val_loss), text.percent(row.best_val_accuracy), text.duration(row.step_seconds),
             text.size(row.peak_memory_bytes), row.findings or "none"),
            numbers, words=(0, 1),
        )
        for row in rows
    )  # fmt: skip
    return _table(header, shown, numbers=numbers)


def training_log(rows: Sequence[LogRow]) -> str:
    if not rows:
        return ""
    header = ("step", "epoch", "train loss", "val loss", "train accuracy", "val accuracy", "lr", "time", "steps")
    numbers = range(9)
    every = max(1, -(-len(rows) // MOST_ROWS))
    kept = [row for place, row in enumerate(rows, 1) if place % every == 0 or place == len(rows)]
    shown = (
        _cells(
            (text.count(row.step), text.count(row.epoch), text.number(row.train_loss), text.number(row.val_loss),
             text.percent(row.train_accuracy), text.percent(row.val_accuracy), text.setting(row.lr),
             text.duration(row.seconds), text.count(row.steps)),
            numbers,
        )
        for row in kept
    )  # fmt: skip
    note = f'<p class="note">Every {every}th row; the CSV has all.</p>' if every > 1 else ""
    return _table(header, shown, numbers=numbers) + note


def checks(rows: Sequence[CheckRow]) -> str:
    def row(item: CheckRow) -> str:
        kind = next(
            (word for words, word in ((_GOOD, "good"), (_BAD, "bad"), (_WARN, "warn")) if item.verdict in words), "soft"
        )
        return (
            f'<td class="word"><code>{_safe(item.name)}</code></td><td class="word {kind}">{_safe(item.verdict)}</td>'
            f'<td class="wide">{_safe(item.evidence)}</td>'
        )

    return _table(("item", "verdict", "evidence"), map(row, rows), cls="checks")


def stages(record: Record) -> str:
    rows = [
        CheckRow(report.name, report.verdict, f"{report.summary} ({text.duration(report.seconds)})")
        for report in record.reports
    ]
    return checks(rows)


def confusion(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    if len(rows) > MOST_CLASSES or len(header) != len(rows) + 1:
        shown = [_cells([_shown(cell) for cell in row], range(1, len(row))) for row in rows[:MOST_CLASSES]]
        more = f'<p class="note">The first {MOST_CLASSES} of {len(rows):,} rows; the CSV has all.</p>'
        return _table(header, shown, numbers=range(1, len(header))) + (more if len(rows) > MOST_CLASSES else "")

    def row(place: int, cells: Sequence[Cell]) -> str:
        counts = [cell if isinstance(cell, int) else 0 for cell in cells[1:]]
        total = max(1, sum(counts))
        made = "".join(
            f"<td{' class=right-answer' if column == place else ''} "
            f'style="background:rgba(var(--heat),{0.55 * count / total:.3f})">{count:,}</td>'
            for column, count in enumerate(counts)
        )
        return f'<th scope="row">{_safe(str(cells[0]))}</th>{made}'

    return _table(
        ("actual \\ predicted", *header[1:]), (row(place, cells) for place, cells in enumerate(rows)), cls="matrix"
    )


def samples(rows: Sequence[Sequence[Cell]]) -> str:
    shown = [
        _cells([_shown(row[0]), _shown(row[1]), _shown(row[2]), _share(row[3]), _shown(row[4])], (0, 3), 4)
        for row in rows[:MOST_SAMPLES]
    ]
    more = f'<p class="note">{MOST_SAMPLES} of {len(rows)}; the CSV has all.</p>' if len(rows) > MOST_SAMPLES else ""
    return (
        _table(("data set index", "actual", "predicted", "confidence", "reason"), shown, numbers=(0, 3), cls="samples")
        + more
    )


def _share(cell: Cell) -> str:
    return text.percent(cell) if isinstance(cell, (int, float)) else text.MISSING


def _shown(cell: Cell) -> str:
    if cell is None or cell == "":
        return text.MISSING
    return text.number(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def shape_trace(evidence: Evidence) -> str:
    trace = trace_of(evidence)
    if trace is None:
        return ""
    shown = (
        f"<td><code>{_safe(call.module) or '(the model)'}</code></td>"
        + _cells(
            (call.cls, shapes(call.inputs), shapes(call.outputs), call.output.dtype if call.output else text.MISSING)
        )
        for call in trace.modules[:MOST_CALLS]
    )
    return _table(("module", "class", "input", "output", "type"), shown)
