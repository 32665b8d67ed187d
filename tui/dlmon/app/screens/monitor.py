"""The main screen: panels, keys, and what they do to the view. What they do to the run is in `control` and `replay`."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dlmon.app import screenshot
from dlmon.app.board import Board
from dlmon.app.keymap import LIVE, REPLAY, footer_keys, keys_for
from dlmon.app.layout import LEAST, MOST_STRIP, PANELS, Wishes, plan
from dlmon.app.palette import PALETTES, Palette, next_palette
from dlmon.app.panels.bars import LossStrip, Tabs, Timeline, TooSmall, tab_at
from dlmon.app.panels.base import LineWidget, Panel
from dlmon.app.panels.findings import Findings, FindingsStrip
from dlmon.app.panels.gradients import Gradients
from dlmon.app.panels.header import Header
from dlmon.app.panels.loss import Loss
from dlmon.app.panels.machine import Machine
from dlmon.app.panels.output import Output
from dlmon.app.panels.progress import Progress, wanted_rows
from dlmon.app.panels.stages import Stages
from dlmon.app.prompt import Prompt
from dlmon.app.screens.talking import Talking
from dlmon.app.settings import Settings
from dlmon.app.source import Frame
from dlmon.state.snapshot import FAILED


def bindings(mode: str) -> list[BindingType]:
    """The keymap as Textual wants it."""
    return [Binding(key.keys, key.action, key.description, show=False) for key in keys_for(mode)]


class Monitor(Talking, inherit_bindings=False):
    """Panels over one run. Frames come in by `show`; subclasses add what a live run or a replay can be told."""

    mode = LIVE
    AUTO_FOCUS = ""
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(LIVE)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.palette: Palette = PALETTES[settings.theme]
        self.current = "loss"
        self.chosen = False  # a panel was chosen by hand: a dead run does not take the middle any more
        self.zoomed = False
        self.frozen = False
        self.frame = self._newest = Frame()
        self.header = Header(settings.name)
        self.tabs = Tabs()
        self.strip = FindingsStrip()
        self.loss, self.gradients, self.output, self.findings = Loss(), Gradients(), Output(), Findings()
        others: list[Panel] = [Machine(), Stages(), Progress()]
        self.panels: dict[str, Panel] = {
            str(panel.id): panel for panel in (self.loss, self.gradients, self.output, self.findings, *others)
        }
        strips: list[LineWidget] = [self.header, self.strip, LossStrip(), self.tabs, Timeline(), self.footer]
        self._lines: list[LineWidget] = [*strips, *self.panels.values(), TooSmall(LEAST)]
        self.board = Board(*self._lines)
        self._restyle()

    def compose(self) -> ComposeResult:
        yield self.board

    # ---- frames

    @property
    def over(self) -> bool:
        return self.frame.view is not None and self.frame.view.snapshot.over

    def show(self, frame: Frame) -> None:
        """Draw a frame from now on; while the view is held, once it is let go."""
        self._newest = frame
        if self.frozen:
            return
        self.frame = frame
        for widget in self._lines:
            widget.frame_now = frame
        self.settle()
        for widget in self._lines:
            if widget.display:
                widget.redraw()

    def on_resize(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Put the panels where they belong now."""
        self.footer.keys = list(footer_keys(self.mode, over=self.over))
        view = self.frame.view
        dead = view is not None and view.snapshot.state == FAILED and not self.chosen
        size = self.app.size
        wishes = Wishes(
            current=self.current,
            strip=len(self.strip.lines_for(size.width, MOST_STRIP)),
            progress=wanted_rows(self.frame),
            dead=dead,
            middle=self.findings.wanted_rows(size.width - 4) if dead else 0,
            beside="loss" if self.loss.chart() else "stages",
            zoomed=self.zoomed,
            replay=self.mode == REPLAY,
        )
        made = plan(size.width, size.height, wishes)
        self.tabs.active = self.current
        for name, panel in self.panels.items():
            panel.frameless = made.frameless
            panel.focused_panel = name == ("findings" if dead else self.current) and not made.tabs
        self.board.follow(made)

    def _redraw(self) -> None:
        self.settle()
        for widget in self._lines:
            widget.redraw()

    # ---- moving about

    def action_panel(self, name: str) -> None:
        self.current, self.chosen = name, True
        self._redraw()

    def action_next_panel(self, direction: int) -> None:
        at = PANELS.index(self.current)
        self.action_panel(PANELS[(at + direction) % len(PANELS)])

    def action_zoom(self) -> None:
        self.zoomed, self.chosen = not self.zoomed, True
        self._redraw()

    def action_back(self) -> None:
        if self.panels[self._target()].back():
            return
        if self.zoomed:
            self.zoomed = False
        elif self.current != "loss":
            self.current = "loss"
        else:
            self.chosen = False
        self._redraw()

    def _target(self) -> str:
        """The panel that keys go to: in a dead run the findings, until another one is chosen."""
        view = self.frame.view
        dead = view is not None and view.snapshot.state == FAILED and not self.chosen
        return "findings" if dead else self.current

    def action_scroll(self, rows: int) -> None:
        self.panels[self._target()].scroll_rows(rows)

    def action_page(self, direction: int) -> None:
        self.panels[self._target()].scroll_page(direction)

    def action_edge(self, direction: int) -> None:
        self.panels[self._target()].scroll_edge(direction)

    def on_click(self, event: events.Click) -> None:
        target = event.widget
        if target is self.tabs:
            name = tab_at(event.x)
            if name:
                self.action_panel(name)
        elif isinstance(target, FindingsStrip):
            self.action_panel("findings")
        elif isinstance(target, Panel) and target.id != self.current:
            self.action_panel(str(target.id))

    # ---- what a panel shows

    def action_log_scale(self) -> None:
        from dataclasses import replace

        self.loss.look(replace(self.loss.view, log=not self.loss.view.log))

    def action_zoom_chart(self, direction: int) -> None:
        self.loss.look(self.loss.view.zoomed(direction, self.loss.last_step()))

    def action_cursor(self, direction: int) -> None:
        self.loss.look(self.loss.view.moved(direction, self.loss.last_step(), self.loss.columns()))

    def action_next_chart(self) -> None:
        from dataclasses import replace

        self.loss.look(replace(self.loss.view, group=self.loss.view.group + 1, cursor=None, span=None, end=None))

    def action_fold(self) -> None:
        self.gradients.toggle_fold()

    def action_filter(self) -> None:
        if self.current == "output":
            self._ask(Prompt("search the output:", self.output.needle, self.output.search))
            return
        if self.current != "gradients":
            self.action_panel("gradients")
        self._ask(Prompt("parameters with:", self.gradients.needle, self.gradients.search, each_key=True))

    def action_finding(self, direction: int) -> None:
        self.output.find(direction)

    def action_explain(self) -> None:
        from dlmon.app.screens.dialogs import Explain

        finding = self.findings.chosen()
        if finding is None:
            self.say("no findings to explain")
            return
        self.app.push_screen(Explain(finding, self.palette.styles(), self.settings.glyphs))

    def action_predictions(self) -> None:
        from dlmon.app.screens.predictions import PredictionsDialog

        snapshot = self.frame.view.snapshot if self.frame.view is not None else None
        self.app.push_screen(PredictionsDialog(snapshot, self.palette.styles(), self.settings.glyphs))

    def action_pause_facts(self) -> None:
        from dlmon.app.screens.pause import PauseDialog

        dialog = PauseDialog(self.frame, self._steerable, self.palette.styles(), self.settings.glyphs)
        self.app.push_screen(dialog, self.pause_answered)

    @property
    def _steerable(self) -> bool:
        return self.mode == LIVE and not self.over

    def pause_answered(self, answer: str | None) -> None:
        """What the person chose before the facts of a pause; a replay has nothing to tell."""

    def action_help(self) -> None:
        from dlmon.app.screens.dialogs import Help

        self.app.push_screen(Help(self.mode, self.palette.styles(), self.settings.glyphs))

    def action_freeze(self) -> None:
        self.frozen = self.header.frozen = not self.frozen
        self.header.redraw()
        if not self.frozen:
            self.show(self._newest)

    # ---- the screen itself

    def action_theme(self) -> None:
        self.palette = next_palette(self.palette.name)
        self._restyle()
        self.say(f"theme: {self.palette.name}")

    def _restyle(self) -> None:
        styles = self.palette.styles()
        for widget in self._lines:
            widget.restyle(styles, self.settings.glyphs)

    def action_screenshot(self) -> None:
        self.say(screenshot.save(self.app, self.settings.folder, self.settings.name))
