"""The one-row widgets around the panels: tabs, loss strip, timeline, footer; and the line of too small a screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, fit, joined, line, spread, width
from dlmon.app.panels.base import LineWidget
from dlmon.app.panels.loss import loss_strip
from dlmon.app.source import Playback
from dlmon.text import duration, number, percent

TABS = (
    ("loss", "loss"), ("gradients", "grads"), ("machine", "machine"), ("stages", "stages"), ("progress", "progress"),
    ("output", "output"), ("findings", "findings"),
)  # fmt: skip


def tab_line(active: str, room: int) -> Line:
    """All panels with their keys; the open one in brackets, so that it is seen without colour."""
    spans: list[Span] = []
    for index, (name, title) in enumerate(TABS, 1):
        if name == active:
            spans.append(Span(f"[{index} {title}]", "tab_on"))
        else:
            spans.append(Span(f" {index} {title} ", "tab"))
    return fit((Span(" "), *spans), room)


def tab_at(column: int) -> str | None:
    """The panel whose tab is drawn at a column."""
    at = 1
    for index, (name, title) in enumerate(TABS, 1):
        wide = len(f" {index} {title} ")
        if at <= column < at + wide:
            return name
        at += wide
    return None


def footer_line(keys: Iterable[tuple[str, str]], room: int) -> Line:
    """As many keys as fit."""
    spans: list[Span] = [Span(" ")]
    for label, word in keys:
        more = line((label, "key"), (f" {word}", "dim"), "  ")
        if width(spans) + width(more) > room:
            break
        spans += more
    return fit(spans, room)


def timeline(playback: Playback, room: int, glyphs: Glyphs) -> Line:
    """Where a replay stands; findings are marked where they were raised."""
    state = "playing" if playback.playing else "held"
    head = line((f" {state:<7}", "message"), f" ×{number(playback.speed)}  {duration(playback.position)} ")
    reading = "" if playback.loading is None else f"({percent(playback.loading)} read) "
    tail = line((f" {duration(playback.length)} {reading}", "dim"))
    columns = max(8, room - width(head) - width(tail))
    share = playback.position / playback.length if playback.length > 0 else 1.0
    at = min(columns - 1, int(share * (columns - 1) + 0.5))
    done, rest = Span(glyphs.gauge[0], "series0"), Span(glyphs.gauge[1], "frame")
    cells = [done if index <= at else rest for index in range(columns)]
    for found in playback.findings:
        column = min(columns - 1, int(found.second / playback.length * (columns - 1))) if playback.length > 0 else 0
        cells[column] = Span("!", "warning")
    cells[at] = Span(glyphs.evaluation[0], "focus")
    return fit((*head, *cells, *tail), room)


class Tabs(LineWidget):
    """The row of tabs on narrow screens."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self.active = "loss"

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        return [tab_line(self.active, room)]


class LossStrip(LineWidget):
    """The loss in one row, whichever tab is open."""

    def __init__(self) -> None:
        super().__init__(id="loss_strip")

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        view = self.frame_now.view
        return [loss_strip(view.snapshot if view else None, room, self.glyphs)]


class Timeline(LineWidget):
    """The row that a replay has above the footer."""

    def __init__(self) -> None:
        super().__init__(id="timeline")

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        playback = self.frame_now.playback
        return [timeline(playback, room, self.glyphs)] if playback else []


class Footer(LineWidget):
    """Keys, or a message, or what is being typed."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="footer")
        self.keys = keys
        self.message = ""
        self.prompt: tuple[str, str, str] | None = None  # question, typed so far, hint

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        if self.prompt is not None:
            question, typed, hint = self.prompt
            left = line((f" {question} ", "message"), typed, (self.glyphs.prompt, "focus"))
            return [spread(left, line((f"{hint} ", "dim")), room)]
        if self.message:
            return [fit(line((f" {self.message}", "message")), room)]
        return [footer_line(self.keys, room)]


class TooSmall(LineWidget):
    """Instead of a broken layout."""

    def __init__(self, least: tuple[int, int]) -> None:
        super().__init__(id="too_small")
        self.least = least

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        needed = f"{self.least[0]}×{self.least[1]}"
        words = joined([(f"dlmon needs {needed} characters", "strong"), (f"here are {room}×{height}", "dim")], "; ")
        if width(words) > room:
            words = line((f"dlmon needs {needed}", "strong"))
        return [*[()] * ((height - 1) // 2), line(" " * max(0, (room - width(words)) // 2), *words)]
