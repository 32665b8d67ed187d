"""The state of a running stage in three rows: step and loss, the gradients worth a look, the last line printed."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.glyphs import Glyphs
from dlmon.app.health import Row, rows_of
from dlmon.app.lines import Line, Span, cut, cut_left, first_that_fits, fit, joined, line, width
from dlmon.app.panels.base import LineWidget
from dlmon.app.source import Frame
from dlmon.state.snapshot import RunSnapshot, SeriesView
from dlmon.text import count, number, rate, setting

ROWS = 3
_LABEL = 11  # cells for "gradients" and "output"
_NAME = 26


def now_lines(frame: Frame, room: int, glyphs: Glyphs, *, paused: bool) -> list[Line]:
    """Says what it waits for as long as there is nothing to say."""
    snapshot = frame.view.snapshot if frame.view else None
    rows = [_state(snapshot, room, paused), _gradients(snapshot, room, glyphs), _output(frame, room)]
    return [fit((Span(" "), *row), room) for row in rows]


def _state(snapshot: RunSnapshot | None, room: int, paused: bool) -> Line:
    if snapshot is None or not snapshot.step:
        words = snapshot.state if snapshot is not None else "starting"
        return line((_label("now"), "dim"), f"{words}, ", ("first step not seen yet", "dim"))
    head = f"paused after step {count(snapshot.step)}" if paused else f"step {count(snapshot.step)}"
    parts = [(head, "warning" if paused else "strong")]
    losses = [(_loss(series, paused), "text") for series in snapshot.series if series.source == "loss"]
    pace = ("" if paused else rate(snapshot.timing.rate), "dim")
    lr = setting(snapshot.lr) if snapshot.lr is not None else ""
    tails = [[(f"{words} {lr}" if lr else "", "text"), pace] for words in ("learning rate", "lr")]
    choices = [[*parts, *losses[:most], *tail] for most in (2, 1) for tail in tails]
    label = line((_label("now"), "dim"))
    return (*label, *first_that_fits([joined(choice) for choice in choices], room - _LABEL - 1))


def _loss(series: SeriesView, paused: bool) -> str:
    """While paused with the value before, so that one step at a time tells which way it goes."""
    before = f", was {number(series.recent[-2][1])}" if paused and len(series.recent) > 1 else ""
    return f"{series.name} {number(series.last)}{before}"


def _gradients(snapshot: RunSnapshot | None, room: int, glyphs: Glyphs) -> Line:
    label = line((_label("gradients"), "dim"))
    rows = rows_of(snapshot.parameters) if snapshot is not None else []
    if snapshot is None or not rows:
        return (*label, *line(("first sampled step not seen yet", "dim")))
    worst = [row for row in rows if row.role in ("bad", "warning")]
    at = f"at step {count(snapshot.parameters_step)}" if snapshot.parameters_step is not None else ""
    shown = worst or sorted(rows, key=lambda row: -(row.norm or 0.0))
    parts: list[tuple[str, str]] = [] if worst else [("all healthy", "good")]
    left = room - _LABEL - width(joined(parts)) - len(at) - 8
    for row in shown:
        words, role = _gradient(row, glyphs)
        if not worst and len(parts) == 1:
            words = f"largest: {words}"
        left -= len(words) + 3
        if left < 0:
            break
        parts.append((words, role))
    return (*label, *joined([*parts, (at, "dim")]))


def _gradient(row: Row, glyphs: Glyphs) -> tuple[str, str]:
    """`! features.3.weight zero` or `classifier.weight norm 0.412`; the end of a long name is kept."""
    name = cut_left(row.name, _NAME)
    if row.role in ("bad", "warning"):
        norm = f", norm {number(row.norm)}" if row.norm else ""
        return f"{glyphs.warning}{name} {row.words}{norm}", row.role
    return f"{name} norm {number(row.norm)}", "text"


def _output(frame: Frame, room: int) -> Line:
    output = frame.output
    printed = [text for text in (*output.lines[-20:], output.partial) if text.strip()]
    label = line((_label("output"), "dim"))
    if not printed:
        return (*label, *line(("nothing printed yet", "dim")))
    return (*label, *line((cut(printed[-1].expandtabs(8).strip(), room - _LABEL - 2), "dim")))


def _label(word: str) -> str:
    return word.ljust(_LABEL)


class Now(LineWidget):
    """The widget."""

    def __init__(self) -> None:
        super().__init__(id="now")
        self.paused = False

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        return now_lines(self.frame_now, room, self.glyphs, paused=self.paused)
