"""Where everything stands on a screen of a given size. Pure; the widgets are told."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = (80, 24)
WIDE = (116, 32)  # from here on all panels are seen at once
TALL = 40  # a narrow screen of so many rows has room for the chart above the tabs

MOST_STRIP = 3  # rows of findings above the panels

PANELS = ("loss", "gradients", "machine", "stages", "progress", "output", "findings")
Places = dict[str, "Box"]


@dataclass(frozen=True)
class Box:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Wishes:
    """What the layout depends on besides the size. current: the panel with the focus, in tabs the open one.

    strip, progress, machine: rows that the findings strip, the bars and the machine panel want. dead: the run failed
    and its findings take the middle, in as many rows as `middle` says, with the panel `beside` next to the last
    output. zoomed: the current panel takes everything. replay: a row for the timeline.
    """

    current: str = "loss"
    strip: int = 1
    progress: int = 1
    machine: int = 8
    dead: bool = False
    middle: int = 10
    beside: str = "loss"
    zoomed: bool = False
    replay: bool = False


@dataclass(frozen=True)
class Plan:
    """boxes: what is shown, where. frameless: panels are drawn without sides. tabs: one panel at a time."""

    boxes: Places
    frameless: bool = False
    tabs: bool = False


def plan(width: int, height: int, wishes: Wishes) -> Plan:
    """Everything on `width` × `height` cells."""
    if width < LEAST[0] or height < LEAST[1]:
        return Plan({"too_small": Box(0, 0, width, height)})
    wide = width >= WIDE[0] and height >= WIDE[1]
    boxes: Places = {}
    top = _top(boxes, width, wishes, wide)
    bottom = height - 1
    boxes["footer"] = Box(0, bottom, width, 1)
    if wishes.replay:
        bottom -= 1
        boxes["timeline"] = Box(0, bottom, width, 1)
    body = Box(0, top, width, bottom - top)
    if wishes.zoomed:
        boxes[wishes.current] = body
        return Plan(boxes, frameless=not wide)
    if wide and wishes.current == "findings" and not wishes.dead:
        boxes["findings"] = body
        return Plan(boxes)
    if wishes.dead:
        _dead(boxes, body, wishes, wide)
        return Plan(boxes, frameless=not wide)
    if wide:
        _grid(boxes, body, wishes)
        return Plan(boxes)
    _tabbed(boxes, body, wishes)
    return Plan(boxes, frameless=True, tabs=True)


def _top(boxes: Places, width: int, wishes: Wishes, wide: bool) -> int:
    """Header and findings strip; the number of rows they take."""
    header = 1 if wide else 2
    boxes["header"] = Box(0, 0, width, header)
    if wishes.dead or (wishes.current == "findings" and (wide or wishes.zoomed)):
        return header  # the panel says it all
    strip = max(1, min(wishes.strip, MOST_STRIP))
    boxes["findings_strip"] = Box(0, header, width, strip)
    return header + strip


def _grid(boxes: Places, body: Box, wishes: Wishes) -> None:
    """Loss and stages above gradients and machine above progress above output."""
    left = body.width - max(52, min(84, round(body.width * 0.4)))
    progress = min(max(1, wishes.progress), max(1, body.height // 8)) + 2
    output = max(6, min(14, (body.height - progress) // 4))
    rows = body.height - progress - output
    lower = max(rows // 2, min(wishes.machine + 2, rows - 10))
    upper = rows - lower
    y = body.y
    boxes["loss"] = Box(0, y, left, upper)
    boxes["stages"] = Box(left, y, body.width - left, upper)
    boxes["gradients"] = Box(0, y + upper, left, lower)
    boxes["machine"] = Box(left, y + upper, body.width - left, lower)
    boxes["progress"] = Box(0, y + rows, body.width, progress)
    boxes["output"] = Box(0, y + rows + progress, body.width, output)


def _tabbed(boxes: Places, body: Box, wishes: Wishes) -> None:
    y, rest = body.y, body.height
    if rest >= TALL - 5 and wishes.current != "loss":
        chart = round(rest * 0.36)
        boxes["loss"] = Box(0, y, body.width, chart)
    else:
        chart = 1
        boxes["loss_strip"] = Box(0, y, body.width, 1)
    boxes["tabs"] = Box(0, y + chart, body.width, 1)
    boxes[wishes.current] = Box(0, y + chart + 1, body.width, rest - chart - 1)


def _dead(boxes: Places, body: Box, wishes: Wishes, wide: bool) -> None:
    """What broke in the middle, below it the last output; where there is room, another panel beside that."""
    least = max(5, body.height // 3)
    middle = min(body.height - least, wishes.middle + (2 if wide else 1))
    output = body.height - middle
    boxes["findings"] = Box(0, body.y, body.width, middle)
    left = body.width * 3 // 5 if wide else body.width
    boxes["output"] = Box(0, body.y + middle, left, output)
    if wide:
        boxes[wishes.beside] = Box(left, body.y + middle, body.width - left, output)
