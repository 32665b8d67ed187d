"""Progress: the script's own bars, of all ranks, and how far the run is as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, cut, joined, line, pad, width
from dlmon.app.panels.base import Panel
from dlmon.app.source import Frame
from dlmon.app.sparkline import gauge
from dlmon.state.snapshot import BarView, RankView, RunSnapshot
from dlmon.text import about, count, duration, number, percent, plural
from dlmon_probes.events import Bar

_SILENT = 10.0  # seconds without a line from a rank before its silence is written out


def progress_content(frame: Frame, room: int, height: int, glyphs: Glyphs) -> Content:
    snapshot = frame.view.snapshot if frame.view else None
    if snapshot is None:
        return Content(waiting("no progress bar seen yet", room, height))
    lines = _bars(shown_bars(snapshot.bars), snapshot.world, room, glyphs)
    if not lines:
        lines = _overall(snapshot, room, glyphs)
    if snapshot.world > 1:
        lines += [_rank(rank, snapshot, room) for rank in snapshot.ranks]
    if len(lines) > height:
        hidden = len(lines) - height + 1
        lines = [*lines[: height - 1], line((f"{hidden} more: the panel shows them when zoomed (z)", "dim"))]
    return Content(lines)


def wanted_rows(frame: Frame) -> int:
    """How many rows this panel would like inside."""
    snapshot = frame.view.snapshot if frame.view else None
    if snapshot is None:
        return 1
    ranks = len(snapshot.ranks) if snapshot.world > 1 else 0
    return max(1, len(shown_bars(snapshot.bars))) + ranks


def shown_bars(bars: Sequence[BarView]) -> list[BarView]:
    """Those that are moving; when all are done, the last one of each rank. Outer bars stand above inner ones."""
    moving = [bar for bar in bars if not bar.bar.closed]
    if not moving:
        last: dict[int, BarView] = {bar.rank: bar for bar in bars}
        moving = list(last.values())
    return sorted(moving, key=lambda bar: (bar.rank, bar.bar.position))


def _bars(bars: Sequence[BarView], world: int, room: int, glyphs: Glyphs) -> list[Line]:
    if not bars:
        return []
    label = min(24, max(len(_label(bar, world)) for bar in bars))
    tails = [_tail(bar.bar) for bar in bars]
    numbers = max(len(_numbers(bar.bar)) for bar in bars)
    tail = min(max(len(text) for text in tails), max(0, room - label - numbers - 24))
    return [_bar(bar, world, label, numbers, tail, room, glyphs) for bar in bars]


def _label(bar: BarView, world: int) -> str:
    words = bar.bar.desc.strip().rstrip(":") or "progress"
    return f"rank {bar.rank} {words}" if world > 1 else words


def _numbers(bar: Bar) -> str:
    total = f" of {count(bar.total)}" if bar.total else f" {bar.unit}"
    return f"{count(bar.n)}{total}"


def _tail(bar: Bar) -> str:
    parts = []
    if bar.closed:
        parts.append(f"done in {duration(bar.elapsed)}" if bar.elapsed is not None else "done")
    elif bar.rate:
        parts.append(f"{number(bar.rate)} {bar.unit}/s")
        if bar.total and bar.total > bar.n:
            parts.append(f"{about((bar.total - bar.n) / bar.rate)} left")
    if bar.postfix:
        parts.append(bar.postfix)
    return "   ".join(parts)


def _bar(bar: BarView, world: int, label: int, numbers: int, tail: int, room: int, glyphs: Glyphs) -> Line:
    share = bar.bar.n / bar.bar.total if bar.bar.total else None
    columns = max(4, room - label - numbers - tail - 12)
    done, rest = gauge(share or 0.0, columns, glyphs.gauge)
    return line(
        pad(_label(bar, world), label) + "  ", (done, "series0"), (rest, "frame"),
        f" {percent(share):>5}  {_numbers(bar.bar):>{numbers}}  ", (cut(_tail(bar.bar), tail), "dim"),
    )  # fmt: skip


def _overall(snapshot: RunSnapshot, room: int, glyphs: Glyphs) -> list[Line]:
    """No bar of the script's own: what dlmon knows by itself."""
    if not snapshot.total_steps:
        if not snapshot.step:
            return [line((" no progress bar seen yet", "dim"))]
        words = "the script shows no progress bar (tqdm or rich)"
        return [joined([(f"{plural(snapshot.step, 'step')} done", "text"), (words, "dim")])]
    share = snapshot.step / snapshot.total_steps
    numbers = f"{count(snapshot.step)} of {count(snapshot.total_steps)} steps"
    done, rest = gauge(share, max(4, room - len(numbers) - 10), glyphs.gauge)
    return [line((done, "series0"), (rest, "frame"), f" {percent(share):>5}  {numbers}")]


def _rank(rank: RankView, snapshot: RunSnapshot, room: int) -> Line:
    silent = snapshot.now - rank.heartbeat
    parts: list[str | tuple[str, str]] = [(f"rank {rank.rank:<4}", "strong"), f"step {count(rank.step):>9}"]
    parts.append(("ended", "dim") if rank.ended else (rank.phase or "starting").replace("_", " "))
    if silent > _SILENT and not rank.ended and not snapshot.over:
        parts.append((f"silent for {duration(silent)}", "warning"))
    row = joined([*parts, (f"{rank.host}, pid {rank.pid}", "dim")])
    return row if width(row) <= room else joined(parts)


class Progress(Panel):
    """The widget."""

    title_text = "progress"
    number = 5

    def content(self, room: int, height: int) -> Content:
        return progress_content(self.frame_now, room, height, self.glyphs)
