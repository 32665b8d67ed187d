"""The widget that holds all panels and puts them where `layout.plan` says."""

from __future__ import annotations

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from dlmon.app.layout import Plan


class _PlanLayout(Layout):
    """Textual asks where children go; the plan has been made already."""

    name = "plan"

    def __init__(self) -> None:
        self.plan = Plan({})

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002
        boxes = self.plan.boxes
        return [
            WidgetPlacement(Region(box.x, box.y, box.width, box.height), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if (box := boxes.get(child.id or "")) is not None
        ]


class Board(Widget):
    """Fills the screen."""

    DEFAULT_CSS = "Board { width: 100%; height: 100%; overflow: hidden; }"

    def __init__(self, *children: Widget) -> None:
        super().__init__(*children)
        self._layout_of = _PlanLayout()

    @property
    def layout(self) -> Layout:
        return self._layout_of

    @property
    def plan(self) -> Plan:
        return self._layout_of.plan

    def follow(self, plan: Plan) -> None:
        """Move the panels to where the plan has them; those that it leaves out are not drawn."""
        if plan == self._layout_of.plan:
            return
        self._layout_of.plan = plan
        for child in self.children:
            child.display = child.id in plan.boxes
        # Textual keeps an arrangement for each size and set of children; neither has to differ between two plans.
        self._clear_arrangement_cache()
        self.refresh(layout=True)
