"""What a model answered in an evaluation pass, as lines: how good, which classes, which samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlmon.app.lines import EMPTY, Line, line, pad, wrap
from dlmon.report.answers import calibration_error, class_name, per_class
from dlmon.state.snapshot import RunSnapshot
from dlmon.text import MISSING, count, number, percent, plural
from dlmon_probes.events_predictions import CLASSES, LABELS, PIXELS, TOKENS, VALUES, Predictions, Sample

MOST_CLASSES = 12  # rows of the table; the classes that are found worst
MOST_CONFUSIONS = 6
MOST_SAMPLES = 8
WAITING = "no evaluation pass was seen yet"
_WHAT = {
    CLASSES: "one class for each sample", LABELS: "several labels for each sample",
    PIXELS: "one class for each position of a picture", VALUES: "real numbers", TOKENS: "the next token",
}  # fmt: skip


def lines(snapshot: RunSnapshot | None, room: int) -> list[Line]:
    """The last pass that could be looked at; where there is none, why not."""
    seen = snapshot.predictions if snapshot is not None else ()
    if not seen:
        return [line((row, "dim")) for row in wrap(WAITING, room)]
    looked_at = [view.event for view in seen if view.event.task]
    if not looked_at:
        event = seen[-1].event
        return [
            *_wrapped(_title(event, snapshot), room, "strong"),
            EMPTY,
            *_wrapped(f"not counted: {event.reason}", room),
        ]
    event = looked_at[-1]
    body = [*_wrapped(_title(event, snapshot), room, "strong"), *_wrapped(_basis(event), room, "dim"), EMPTY]
    body += [row for text in _results(event) for row in _wrapped(text, room)]
    for title, rows in _tables(event, room):
        if rows:
            body += [EMPTY, line((title, "strong")), *rows]
    return body


def _wrapped(text: str, room: int, role: str = "text") -> list[Line]:
    return [line((row, role)) for row in wrap(text, room)]


def _title(event: Predictions, snapshot: RunSnapshot | None) -> str:
    leader = snapshot.leader if snapshot is not None else None
    loader = leader.loaders.get(event.loader) if leader is not None else None
    named = f" “{event.name}”" if event.name else ""
    data = f" on {loader.dataset}" if loader is not None else ""
    return f"evaluation{named}{data} after step {count(event.step)}, {plural(event.samples, 'sample')}"


def _basis(event: Predictions) -> str:
    parts = [_WHAT.get(event.task, event.task)]
    if event.looked_at < event.samples:
        parts.append(f"by {count(event.looked_at)} of {count(event.samples)} samples: more would have cost too much")
    if event.positions:
        parts.append(plural(event.positions, "position"))
    if event.stride > 1:
        parts.append(f"each {event.stride}. one of them")
    return ", ".join(parts)


def _results(event: Predictions) -> list[str]:
    if event.task == VALUES:
        return [
            f"mean absolute error {number(event.mae)}   root mean square error {number(event.rmse)}   "
            f"R² {number(event.r2)}",
            "prediction − target: " + ", ".join(f"{percent(float(q))} {number(v)}" for q, v in _quantiles(event)),
        ]
    parts = [("all labels right " if event.task == LABELS else "right ") + percent(event.right)]
    parts += [f"among the first {k} {percent(share)}" for k, share in event.top.items() if k != "1"]
    if event.perplexity is not None:
        parts.append(f"perplexity {number(event.perplexity)}")
    error = calibration_error(event)
    if error is not None:
        parts.append(f"calibration error {percent(error)}")
    return [", ".join(parts)]


def _quantiles(event: Predictions) -> list[tuple[str, float | None]]:
    return sorted(event.quantiles.items(), key=lambda item: float(item[0]))


def _tables(event: Predictions, room: int) -> list[tuple[str, list[Line]]]:
    samples = event.wrong or event.unsure
    title = (
        "largest errors" if event.task == VALUES else "most surely wrong" if event.wrong else "right, but least sure"
    )
    return [
        ("labels" if event.task == LABELS else "classes, worst first", _class_rows(event, room)),
        ("most frequent mistakes", _confusions(event, room)),
        (title, _sample_rows(event, samples, room)),
    ]


def _class_rows(event: Predictions, room: int) -> list[Line]:
    def badness(value: float | None) -> float:
        return 2.0 if value is None else value

    rows = sorted(per_class(event), key=lambda row: min(badness(row.precision), badness(row.recall)))
    if not rows:
        return []
    wide = max(4, min(24, room - 30))
    found = [line((pad("", wide) + "  precision   recall     there", "dim"))]
    for row in rows[:MOST_CLASSES]:
        numbers = f"  {percent(row.precision):>9}  {percent(row.recall):>7}  {count(row.support):>8}"
        found.append(line(pad(row.name, wide) + numbers))
    left = len(rows) - MOST_CLASSES
    return [*found, line((f"{left} more in `dlmon report`", "dim"))] if left > 0 else found


def _confusions(event: Predictions, room: int) -> list[Line]:
    if event.task not in (CLASSES, PIXELS, TOKENS):
        return []
    cells = sorted((row for row in event.confusion if row[0] != row[1]), key=lambda row: -row[2])[:MOST_CONFUSIONS]
    actual = {row.name: row.support for row in per_class(event)} if cells else {}
    found: list[Line] = []
    for first, second, amount in cells:
        name = class_name(event, first)
        share = amount / actual[name] if actual.get(name) else None
        text = f"{name} taken for {class_name(event, second)}: {count(amount)}, {percent(share)} of {name}"
        found += _wrapped(text, room)
    return found


Column = tuple[str, Callable[[Sample], str]]


def _sample_rows(event: Predictions, samples: Sequence[Sample], room: int) -> list[Line]:
    if not samples:
        return []
    columns = [column for column in _columns(event) if any(column[1](sample) != MISSING for sample in samples)]
    cells = [[text for text, _ in columns], *([tell(s) for _, tell in columns] for s in samples[:MOST_SAMPLES])]
    wide = [min(24, max(len(row[i]) for row in cells)) for i in range(len(columns))]
    while sum(wide) + 2 * len(wide) > room and len(wide) > 2:
        wide.pop()
    found = []
    for n, row in enumerate(cells):
        text = "  ".join(pad(cell, width, right=True) for cell, width in zip(row, wide, strict=False))
        found.append(line((text, "dim" if n == 0 else "text")))
    return found


def _columns(event: Predictions) -> list[Column]:
    def named(value: float | None) -> str:
        return MISSING if value is None else class_name(event, value)

    def labels(sample: Sample) -> str:
        told = [f"{'no ' if k < 0 else ''}{class_name(event, -k - 1 if k < 0 else k)}" for k in sample.wrong]
        return ", ".join(told) or MISSING

    answer = number if event.task == VALUES else named
    share = percent if event.task == PIXELS else number
    return [
        ("sample", lambda s: MISSING if s.index is None else str(s.index)),
        ("row", lambda s: str(s.row)),
        ("position", lambda s: MISSING if s.position is None else str(s.position)),
        ("actual", lambda s: answer(s.actual)),
        ("predicted", lambda s: answer(s.predicted)),
        ("wrong" if event.task == PIXELS else "error", lambda s: share(s.error)),
        ("confidence", lambda s: percent(s.confidence)),
        ("of the actual", lambda s: percent(s.actual_probability)),
        ("labels", labels),
        ("loss", lambda s: number(s.loss)),
    ]
