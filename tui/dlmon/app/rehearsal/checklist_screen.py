"""What the rehearsal's screen shows: the checklist, and beside it what runs or was found. Keys are in `screen`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult

from dlmon.app.board import Board
from dlmon.app.keymap import STEP, footer_keys
from dlmon.app.layout import LEAST, WIDE
from dlmon.app.panels.bars import TooSmall
from dlmon.app.panels.base import LineWidget
from dlmon.app.panels.gradients import Gradients
from dlmon.app.panels.loss import Loss
from dlmon.app.panels.output import Output
from dlmon.app.rehearsal.checklist import Checklist, wanted_rows
from dlmon.app.rehearsal.conductor import Conductor, News
from dlmon.app.rehearsal.evidence import Evidence
from dlmon.app.rehearsal.headline import Headline
from dlmon.app.rehearsal.layout import LOWER, Wishes, plan
from dlmon.app.rehearsal.now import Now
from dlmon.app.rehearsal.stand import Scene, Stand, all_over
from dlmon.app.rehearsal.steering import StageControl
from dlmon.app.rehearsal.styled import Appearance, Styled
from dlmon.app.source import Frame
from dlmon.rehearsal.report import FAIL, StageReport
from dlmon.rehearsal.stages import STAGES
from dlmon_probes.stages.plan import FULL

TICK = 1.0  # seconds between two drawings of the running stage's time


class ChecklistScreen(Styled, inherit_bindings=False):
    """News and frames come in by `tell` and `show`. conclude: what a list of reports says together."""

    def __init__(
        self,
        appearance: Appearance,
        conductor: Conductor,
        *,
        conclude: Callable[[Sequence[StageReport]], str | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(appearance)
        self.conductor, self._conclude, self._clock = conductor, conclude, clock
        self.scene = Scene(conductor.first, conductor.first.next_stage or STAGES[0])
        self.lower = LOWER[0]
        self.leaving = False  # when the running stage has been stopped
        self.control: StageControl | None = None
        self._folder: Path | None = None
        self._terminal_size: tuple[int, int] | None = None
        self.header, self.checklist = Headline(self.scene), Checklist(self.scene)
        self.evidence, self.now = Evidence(self.scene), Now()
        self.loss, self.gradients, self.output = Loss(), Gradients(), Output()
        for number, panel in enumerate((self.loss, self.gradients, self.output, self.evidence), 2):
            panel.number = number
        self._of_run: list[LineWidget] = [self.now, self.loss, self.gradients, self.output]
        self.lines = [self.header, self.checklist, *self._of_run, self.evidence, self.footer, TooSmall(LEAST)]
        self.board = Board(*self.lines)
        self.restyle()

    def compose(self) -> ComposeResult:
        yield self.board

    def on_mount(self) -> None:
        self.set_interval(TICK, self._tick)
        self._draw()

    def on_unmount(self) -> None:
        if self.control is not None:
            self.control.close()

    # ---- what is told

    def tell(self, news: News) -> None:
        """What the conductor has to say."""
        before = self.scene.stand
        self._follow(news.stand)
        fresh = bool(news.stand.running) and news.stand.running != before.running
        self.scene = replace(self.scene, stand=news.stand)
        if fresh:
            self.lower = LOWER[0]
            self.scene = replace(self.scene, chosen=news.stand.running, frame=Frame())
        if news.ended is not None:
            self._ended(news.ended)
        if news.said:
            self.say(news.said)
        if news.diff is not None:
            self._show_changes(news.of, news.diff)
        self._draw()

    def _follow(self, stand: Stand) -> None:
        """Keys reach the run that goes on now."""
        if stand.folder == self._folder:
            return
        if self.control is not None:
            self.control.close()
        self._folder = stand.folder
        self.control = StageControl(stand.folder) if stand.folder is not None else None

    def _ended(self, report: StageReport) -> None:
        self.scene = replace(self.scene, frame=Frame())
        if self.leaving:
            self.app.exit(0)
            return
        if not self.scene.auto:
            return
        following = self.scene.stand.next_short
        if report.verdict == FAIL or not following:
            self.scene = replace(self.scene, auto=False)
        else:
            self._begin(following)

    def _begin(self, stage: str) -> None:
        self.scene = replace(self.scene, chosen=stage)
        self.conductor.begin(stage)

    def _show_changes(self, stage: str, diff: str) -> None:
        from dlmon.app.rehearsal.dialogs import Changes

        self.app.push_screen(Changes(stage, diff, self.appearance.styles(), self.appearance.glyphs))

    def show(self, frame: Frame) -> None:
        """A frame of the running stage's run."""
        if not self.scene.stand.running:
            return
        self.scene = replace(self.scene, frame=frame)
        self._draw()

    def _tick(self) -> None:
        if self.scene.stand.running:
            self._draw()

    # ---- drawing

    def on_resize(self) -> None:
        """The running stage's terminal follows (the first size is not a change: another screen may have set it)."""
        size = (self.app.size.height, self.app.size.width)
        if self._terminal_size not in (None, size) and self.control is not None:
            self.control.resize(*size)
        self._terminal_size = size
        self._settle()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._draw()

    def _draw(self) -> None:
        stand = self.scene.stand
        seconds = max(0.0, self._clock() - stand.began) if stand.running else 0.0
        told = self._conclude(list(stand.reports.values())) if all_over(stand) else None
        self.scene = replace(self.scene, seconds=seconds, conclusion=told or "")
        self.header.scene = self.checklist.scene = self.evidence.scene = self.scene
        self.now.paused = self.scene.paused
        for widget in self._of_run:
            widget.frame_now = self.scene.frame
        self._settle()
        for widget in self.lines:
            if widget.display:
                widget.redraw()

    def _settle(self) -> None:
        """Put everything where it belongs now."""
        size, scene = self.app.size, self.scene
        wide = size.width >= WIDE[0] and size.height >= WIDE[1]
        room = max(76, size.width // 2) - 4 if wide else size.width - 2
        report = scene.report
        wishes = Wishes(
            rows=wanted_rows(scene, room, self.appearance.glyphs),
            lower=self.lower,
            running=bool(scene.stand.running) and scene.stand.folder is not None,
            told=report is not None and bool(report.evidence or report.findings),
        )
        made = plan(size.width, size.height, wishes)
        self.footer.keys = list(footer_keys(STEP, without=self._idle_keys()))
        for panel in (self.checklist, self.evidence, self.loss, self.gradients, self.output):
            panel.frameless = made.frameless
        self.board.follow(made)

    def _idle_keys(self) -> set[str]:
        """Actions that mean nothing at this moment: the footer has little room."""
        scene = self.scene
        if scene.stand.running:
            silent = {"run_stage", "rerun", "changes", "skip"} | (set() if scene.paused else {"step"})
            silent |= set() if scene.report is not None else {"evidence"}
            return silent | (set() if scene.stand.running == FULL else {"full"})
        idle = {"pause", "step", "abort"} | (set() if scene.enter_runs else {"run_stage"})
        return idle | ({"rerun", "evidence", "changes"} if scene.report is None else {"skip"})
