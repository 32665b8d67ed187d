"""Where everything stands on the rehearsal's screen. Pure; the widgets are told."""

from __future__ import annotations

from dataclasses import dataclass

from dlmon.app.layout import LEAST, WIDE, Box, Places, Plan
from dlmon.app.rehearsal import evidence, now
from dlmon.rehearsal.stages import STAGES

LOWER = ("loss", "gradients", "output", "evidence")  # the panels that share the room below a narrow checklist
LEAST_OUTPUT = 6
LEAST_CHART = 9  # rows: its rule, legend, five of curve and the axis


@dataclass(frozen=True)
class Wishes:
    """rows: what the checklist wants inside. lower: the panel chosen for the room below. running: a stage with a run
    goes on. told: the chosen stage has evidence."""

    rows: int
    lower: str = "loss"
    running: bool = False
    told: bool = False


def plan(width: int, height: int, wishes: Wishes) -> Plan:
    """Everything on `width` × `height` cells."""
    if width < LEAST[0] or height < LEAST[1]:
        return Plan({"too_small": Box(0, 0, width, height)})
    boxes: Places = {"header": Box(0, 0, width, 1), "footer": Box(0, height - 1, width, 1)}
    body = Box(0, 1, width, height - 2)
    if width >= WIDE[0] and height >= WIDE[1]:
        _beside(boxes, body, wishes)
        return Plan(boxes)
    _below(boxes, body, wishes)
    return Plan(boxes, frameless=True)


def _below(boxes: Places, body: Box, wishes: Wishes) -> None:
    """Checklist above, what runs or was found below."""
    rows = wishes.rows + 1  # its rule
    if wishes.running:
        least = len(STAGES) + 1
        checklist = max(least, min(rows, body.height - now.ROWS - LEAST_CHART - 1))
        boxes["checklist"] = Box(0, body.y, body.width, checklist)
        boxes["now"] = Box(0, body.y + checklist, body.width, now.ROWS)
        used = checklist + now.ROWS
        boxes[wishes.lower] = Box(0, body.y + used, body.width, body.height - used)
        return
    spare = body.height - rows
    if not wishes.told or spare < evidence.LEAST:
        boxes["checklist"] = body
        return
    boxes["checklist"] = Box(0, body.y, body.width, rows)
    boxes["evidence"] = Box(0, body.y + rows, body.width, spare)


def _beside(boxes: Places, body: Box, wishes: Wishes) -> None:
    """Checklist at the left, above what is printed; at the right what runs or was found."""
    left = max(76, body.width // 2)
    right = Box(left, body.y, body.width - left, body.height)
    if not wishes.running:
        boxes["checklist"] = Box(0, body.y, left, body.height)
        boxes["evidence"] = right
        return
    rows = min(wishes.rows + 2, body.height - LEAST_OUTPUT)
    boxes["checklist"] = Box(0, body.y, left, rows)
    boxes["output"] = Box(0, body.y + rows, left, body.height - rows)
    if wishes.lower == "evidence":
        boxes["evidence"] = right
        return
    boxes["now"] = Box(left, body.y, right.width, now.ROWS)
    y, rest = body.y + now.ROWS, body.height - now.ROWS
    loss = max(LEAST_CHART + 2, rest // 2)
    boxes["loss"] = Box(left, y, right.width, loss)
    boxes["gradients"] = Box(left, y + loss, right.width, rest - loss)
