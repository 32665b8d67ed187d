"""The curves of a stage's evidence, drawn by the chart code of the live screen. Pure.

A sweep's horizontal axis is a learning rate over many powers of ten: its values are laid on whole positions that are
even in the logarithm, and the axis below is drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlmon.app.chart import SERIES_ROLES, Curve, Marks, Picture, draw
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, cut, fit, joined, line, width
from dlmon.state.snapshot import Points
from dlmon.text import count, number, setting

CURVES = "curves"  # the key in a report's evidence
MOST = 4  # curves in one picture
FEWEST = 3  # points of a curve
HEADROOM = 0.5  # × what a sweep's loss fell: so far above its start it is drawn, or where it leaves would hide the rest
POSITIONS = 4000  # on an axis of powers of ten
DECADES = 1.5  # from so many on, values that are not whole steps stand on such an axis

Pair = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """Curves over one horizontal axis. low, high: its ends as powers of ten where `powers`, else steps. marked: values
    on the axis that are pointed out, by name."""

    curves: Mapping[str, Sequence[Pair]]
    powers: bool = False
    low: float = 0.0
    high: float = 1.0
    marked: Mapping[str, float] = field(default_factory=dict)


def drawing_of(evidence: Mapping[str, Any]) -> Drawing | None:
    """What the evidence has to draw; None where there is nothing. Tolerant: a record may have been edited."""
    curves = {name: pairs for name, points in _named(evidence).items() if (pairs := _pairs(points))}
    curves = dict(list(curves.items())[:MOST])
    xs = [x for pairs in curves.values() for x, _ in pairs]
    if not xs:
        return None
    steps = all(x == int(x) for x in xs)
    above = [x for x in xs if x > 0]
    if not steps and above and math.log10(max(above) / min(above)) >= DECADES:
        return Drawing(curves, True, math.log10(min(above)), math.log10(max(above)), _marked(evidence))
    return Drawing(curves, False, min(xs), max(xs))


def _named(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The curves, and whatever else in the evidence is a list of pairs."""
    found = evidence.get(CURVES)
    named = {str(name): points for name, points in found.items()} if isinstance(found, Mapping) else {}
    return named | {str(name): value for name, value in evidence.items() if is_curve(value)}


def is_curve(value: object) -> bool:
    """A list of (x, y): drawn, not told."""
    return (
        isinstance(value, (list, tuple))
        and len(value) >= FEWEST
        and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in value)
    )


def _pairs(points: object) -> list[Pair]:
    """The points in order, those that are no numbers left out."""
    pairs: list[Pair] = []
    for point in points if isinstance(points, (list, tuple)) else ():
        try:
            x, y = float(point[0]), float(point[1])
        except (TypeError, ValueError, LookupError):
            continue
        if math.isfinite(x) and abs(x) < 1e15:
            pairs.append((x, y))
    return sorted(pairs, key=lambda pair: pair[0])


_MARKED = {"suggestion": "suggested", "divergence": "diverges", "lr": "yours"}


def _marked(evidence: Mapping[str, Any]) -> dict[str, float]:
    """The learning rates that a sweep's verdict names."""
    named = {word: evidence.get(key) for key, word in _MARKED.items()}
    return {word: float(x) for word, x in named.items() if isinstance(x, (int, float)) and x > 0}


def curve_lines(drawing: Drawing, room: int, height: int, glyphs: Glyphs, *, log: bool = False) -> list[Line]:
    """Legend and chart in exactly `height` rows (at least 7)."""
    legend = _legend(drawing, room, glyphs)
    curves = [_curve(name, pairs, index, drawing) for index, (name, pairs) in enumerate(drawing.curves.items())]
    first, last = (0, POSITIONS) if drawing.powers else (int(drawing.low), max(int(drawing.low) + 1, int(drawing.high)))
    marks = _marks(drawing) if drawing.powers else []
    body, _ = draw(Picture(curves, marks, first, last, log), room, height - len(legend), glyphs)
    if drawing.powers and body[-1]:
        body[-2:] = _foot(drawing, room - width(body[0][:1]), width(body[0][:1]), glyphs)
    return [*legend, *body]


def _position(drawing: Drawing, x: float) -> int:
    """Where a value lies on the axis of whole positions."""
    if not drawing.powers:
        return round(x)
    share = (math.log10(x) - drawing.low) / max(1e-9, drawing.high - drawing.low) if x > 0 else 0.0
    return round(min(1.0, max(0.0, share)) * POSITIONS)


def _curve(name: str, pairs: Sequence[Pair], index: int, drawing: Drawing) -> Curve:
    known = [(x, y) for x, y in pairs if math.isfinite(y) and (x > 0 or not drawing.powers)]
    steps = tuple(_position(drawing, x) for x, _ in known)
    top = _top(known) if drawing.powers else math.inf
    values = tuple(min(y, top) for _, y in known)
    return Curve(name, Points(steps, values, values, values, values), (), index)


def _top(known: Sequence[Pair]) -> float:
    """The highest loss of a sweep that is drawn as it is."""
    first, lowest = known[0][1], min(y for _, y in known)
    return first + HEADROOM * (first - lowest) if first > lowest else math.inf


def _marks(drawing: Drawing) -> list[Marks]:
    """Each on the last curve, the smoothed one where there is one, at the learning rate that it names."""
    pairs = [(x, y) for x, y in list(drawing.curves.values())[-1] if x > 0 and math.isfinite(y)]
    marks = []
    for index, (name, x) in enumerate(drawing.marked.items()):
        near = min(pairs, key=lambda pair: abs(math.log(pair[0] / x)), default=None)
        if near is not None:
            y = min(near[1], _top(pairs))
            marks.append(Marks(name, [(_position(drawing, x), y)], len(drawing.curves) + index, index))
    return marks


def _legend(drawing: Drawing, room: int, glyphs: Glyphs) -> list[Line]:
    parts = []
    for index, (name, pairs) in enumerate(drawing.curves.items()):
        stroke = "*#%@$&"[index % 6] * 2 if glyphs.ascii else ("──", "╌╌", "··", "─·")[index % 4]
        value = f"{cut(name, 28)} {number(pairs[0][1])} → {number(pairs[-1][1])}"
        parts.append((f"{stroke} {value}", SERIES_ROLES[index % len(SERIES_ROLES)]))
    for index, (name, x) in enumerate(drawing.marked.items()):
        role = SERIES_ROLES[(len(drawing.curves) + index) % len(SERIES_ROLES)]
        parts.append((f"{glyphs.evaluation[index % len(glyphs.evaluation)]} {name} {setting(x)}", role))
    rows: list[list[tuple[str, str]]] = [[]]
    for part in parts:
        if rows[-1] and width(joined([*rows[-1], part])) > room:
            rows.append([])
        rows[-1].append(part)
    return [fit(joined(row), room) for row in rows[:2]]


def _foot(drawing: Drawing, columns: int, margin: int, glyphs: Glyphs) -> list[Line]:
    """The axis of a sweep: a tick at each power of ten, labels where they fit."""
    axis, labels, free = [glyphs.frame[4]] * columns, [" "] * columns, 0
    for power in range(math.ceil(drawing.low - 1e-9), math.floor(drawing.high + 1e-9) + 1):
        column = min(columns - 1, _position(drawing, 10.0**power) * columns // (POSITIONS + 1))
        axis[column] = glyphs.axis[3]
        label = setting(10.0**power)
        start = min(max(0, column - len(label) // 2), columns - len(label))
        if start >= free:
            labels[start : start + len(label)] = label
            free = start + len(label) + 2
    words = "learning rate"
    if free + len(words) <= columns:
        labels[columns - len(words) :] = words
    edge = " " * (margin - 1)
    return [
        line(
            (edge + glyphs.axis[4] + "".join(axis), "axis"),
        ),
        line((edge + " " + "".join(labels), "axis")),
    ]


def steps_shown(drawing: Drawing) -> str:
    """`steps 0–300`, or the span of learning rates."""
    if drawing.powers:
        return f"learning rate {setting(10**drawing.low)} to {setting(10**drawing.high)}"
    return f"steps {count(drawing.low)}–{count(drawing.high)}"
