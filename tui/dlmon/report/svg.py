"""The charts as SVG for the page: colours come from the page's style, so that they fit light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from dlmon import text
from dlmon.report.charts import Bars, Chart, Line

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 46
TICKS = 5


class _Scale:
    """Values to pixels, with ticks at round numbers."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self.log = log and low > 0
        if self.log:
            low, high = math.log10(low), math.log10(high)
        self._only = None if high > low else low
        if not high > low:
            pad = abs(low) * 0.1 or 0.5
            low, high = low - pad, high + pad
        self.low, self.high, self._start, self._end = low, high, start, end

    def __call__(self, value: float) -> float:
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return self._start + min(1.02, max(-0.02, share)) * (self._end - self._start)

    def ticks(self) -> list[float]:
        if self._only is not None:
            return [10.0**self._only if self.log else self._only]
        if self.log:
            return self._log_ticks()
        step = round_step((self.high - self.low) / TICKS)
        first = math.ceil(self.low / step - 1e-9)
        return [place * step for place in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def _log_ticks(self) -> list[float]:
        decades = range(math.floor(self.low), math.floor(self.high) + 1)
        fine = [k * 10.0**power for power in decades for k in (1, 2, 5)]
        inside = [value for value in fine if self.low - 1e-9 <= math.log10(value) <= self.high + 1e-9]
        if len(inside) <= TICKS + 1:
            return inside
        whole = [value for value in inside if abs(math.log10(value) - round(math.log10(value))) < 1e-9]
        return whole[:: max(1, math.ceil(len(whole) / TICKS))]


def round_step(rough: float) -> float:
    """The next of 1, 2, 5, 10… × a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999999)


def draw(chart: Chart) -> str:
    """A chart as an <svg> element; words are escaped. The unit of the y axis belongs into the heading."""
    every_x = [value for line in chart.lines for value in line.x]
    every_y = [
        value for line in chart.lines for value in (*line.y, *(() if chart.log else (*line.low, *line.high, *line.raw)))
    ]
    shown = _without_outliers(every_y, [value for line in chart.lines for value in line.y])
    low, high = min(shown), max(shown)
    if not chart.log and 0 <= low < 0.5 * high:
        low = 0.0
    if chart.whole:
        low, high = 0.0, 100.0
    x = _Scale(min(every_x), max(every_x), LEFT, WIDTH - RIGHT)
    y = _Scale(low, high, HEIGHT - BOTTOM, TOP, log=chart.log)
    parts = [*_axes(chart, x, y)]
    parts += [part for place, line in enumerate(chart.lines) for part in _line(line, place, x, y)]
    label = escape(f"{chart.title}: {', '.join(line.name for line in chart.lines)}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" class="chart">{"".join(parts)}</svg>'


def _without_outliers(every: Sequence[float], means: Sequence[float]) -> Sequence[float]:
    """A single spike does not flatten the curve: the band may leave the picture, the line does not."""
    top = max(means)
    bottom = min(means)
    room = 0.5 * (top - bottom) or abs(top) or 1.0
    return [min(top + room, max(bottom - room, value)) for value in every]


def _axes(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for value in y.ticks():
        place = f"{y(value):.1f}"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{place}" dy=".32em" text-anchor="end">{tick(value)}</text>'
    for value in x.ticks():
        place = f"{x(value):.1f}"
        yield f'<text class="tick" x="{place}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick(value)}</text>'
    bottom = HEIGHT - BOTTOM
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(chart.x_label)}</text>'


def tick(value: float) -> str:
    """A number at an axis: 0.25, 1,500, 12.5k, 3e-4."""
    if value and abs(value) < 1e-3:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.short_count(round(value, 6))


def _line(line: Line, place: int, x: _Scale, y: _Scale) -> Iterator[str]:
    if line.low:
        over = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.high, strict=True)]
        under = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.low, strict=True)]
        yield f'<polygon class="band c{place}" points="{" ".join([*over, *reversed(under)])}"/>'
    if line.raw:
        raw = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.raw, strict=True))
        yield f'<polyline class="raw c{place}" points="{raw}"/>'
    points = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.y, strict=True)]
    yield f'<polyline class="line c{place}" points="{" ".join(points)}"/>'
    if line.dots:
        for point in points:
            across, down = point.split(",")
            yield f'<circle class="dot c{place}" cx="{across}" cy="{down}" r="3"/>'


def legend(chart: Chart) -> str:
    """The names of the lines, with their colours, as HTML; "" for one line that is called like its chart."""
    if [line.name.lower() for line in chart.lines] == [chart.title.lower()]:
        return ""
    names = "".join(
        f'<li><span class="key c{place}"></span>{escape(line.name)}</li>' for place, line in enumerate(chart.lines)
    )
    return f'<ul class="legend">{names}</ul>'


def bars(found: Bars) -> str:
    """Shares of the whole as rows of HTML, readable without colour."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" '
        f'aria-hidden="true"><rect class="c0" width="{100 * min(1.0, share):.2f}" height="8"/></svg></td>'
        f'<td class="number">{text.duration(seconds)}</td><td class="number">{text.percent(share)}</td></tr>'
        for name, seconds, share in found.rows
    )
    return f'<table class="bars"><tbody>{rows}</tbody></table>'
