"""The rehearsal's screen: what its keys ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from dlmon.app.keymap import STEP
from dlmon.app.rehearsal.checklist_screen import ChecklistScreen
from dlmon.app.rehearsal.layout import LOWER
from dlmon.app.screens.monitor import bindings
from dlmon.rehearsal.stages import STAGES
from dlmon_probes.stages.plan import FULL


class StepScreen(ChecklistScreen, inherit_bindings=False):
    """The checklist with its keys."""

    mode = STEP
    BINDINGS: ClassVar[list[BindingType]] = bindings(STEP)

    # ---- keys: stages

    def action_choose(self, direction: int) -> None:
        at = STAGES.index(self.scene.chosen) + direction
        self.scene = replace(self.scene, chosen=STAGES[max(0, min(len(STAGES) - 1, at))])
        self._draw()

    def action_run_stage(self) -> None:
        running = self.scene.stand.running
        if running == FULL:
            self.action_full()
        elif running:
            self.say(f"{running} goes on: b aborts it")
        elif self.scene.enter_runs:
            self._begin(self.scene.enter_runs)
        else:
            self.say("every chosen stage has run: r runs one again, g goes on to the full run")

    def action_rerun(self) -> None:
        running = self.scene.stand.running
        if running:
            self.say(f"{running} goes on: b aborts it")
        else:
            self._begin(self.scene.chosen)

    def action_skip(self) -> None:
        stage, stand = self.scene.chosen, self.scene.stand
        if stage == stand.running:
            self.say(f"{stage} goes on: b aborts it")
        elif stage in stand.reports:
            self.say(f"{stage} has run: there is nothing to skip")
        else:
            self.conductor.skip(stage)
            ahead = [other for other in stand.wanted if other not in stand.reports and other not in (stage, FULL)]
            self.scene = replace(self.scene, chosen=ahead[0] if ahead and not stand.running else stage)

    def action_auto(self) -> None:
        scene = self.scene
        self.scene = replace(scene, auto=not scene.auto)
        if not self.scene.auto:
            self.say("auto is off: enter runs the next stage")
        elif not scene.stand.running and not scene.stand.next_short:
            self.scene = scene
            self.say("every chosen stage has run: r runs one again, g goes on to the full run")
        elif not scene.stand.running:
            self._begin(scene.stand.next_short)
        self._draw()

    def action_full(self) -> None:
        from dlmon.app.rehearsal.app import OpenFull

        running = self.scene.stand.running
        if running == FULL:
            self.app.post_message(OpenFull())
        elif running:
            self.say(f"{running} goes on: b aborts it")
        elif FULL in self.scene.stand.reports:
            self.say("the full run is over: choose it and press r to train again, e shows its evidence")
        else:
            self._begin(FULL)

    # ---- keys: the running stage

    def action_pause(self) -> None:
        self.say(self.control.toggle_pause() if self.control else self._nothing_to("pause"))

    def action_step(self) -> None:
        self.say(self.control.one_step() if self.control else self._nothing_to("step"))

    def action_abort(self) -> None:
        running = self.scene.stand.running
        if not running:
            self.say(self._nothing_to("abort"))
            return
        self.scene = replace(self.scene, auto=False)
        self.conductor.abort()
        if self.control is not None:
            self.control.resume()  # a paused one could not hear it
        self.say(f"asked {running} to stop")

    def _nothing_to(self, verb: str) -> str:
        running = self.scene.stand.running
        return f"nothing to {verb}: " + (f"{running} has no process" if running else "no stage is running")

    # ---- keys: looking

    def action_panel(self, name: str) -> None:
        self.lower = name
        self._draw()

    def action_next_panel(self, direction: int) -> None:
        self.action_panel(LOWER[(LOWER.index(self.lower) + direction) % len(LOWER)])

    def action_log_scale(self) -> None:
        self.loss.look(replace(self.loss.view, log=not self.loss.view.log))

    def action_evidence(self) -> None:
        from dlmon.app.rehearsal.evidence_screen import EvidenceScreen

        report = self.scene.report
        if report is None:
            going = self.scene.chosen == self.scene.stand.running
            self.say(f"{self.scene.chosen} {'still runs' if going else 'has not run'}: there is no evidence yet")
            return
        folder = self.appearance.settings.folder / report.run if report.run else None
        self.app.push_screen(EvidenceScreen(report, folder, self.appearance))

    def action_changes(self) -> None:
        if self.scene.chosen in self.scene.stand.reports:
            self.conductor.ask_changes(self.scene.chosen)
        else:
            self.say(f"{self.scene.chosen} has not run: there is nothing to compare with")

    # ---- leaving

    def action_leave(self) -> None:
        running = self.scene.stand.running
        if not running or self.leaving:
            self.app.exit(0)
            return
        from dlmon.app.rehearsal.dialogs import LeaveRehearsal

        what = "the full run" if running == FULL else f"the stage {running}"
        dialog = LeaveRehearsal(what, self.scene.paused, self.appearance.styles(), self.appearance.glyphs)
        self.app.push_screen(dialog, self._answered)

    def _answered(self, answer: str | None) -> None:
        from dlmon.app.screens.dialogs import LEAVE, STOP

        running = self.scene.stand.running
        if answer == LEAVE or (answer == STOP and not running):  # it may have ended while the question stood
            self.conductor.leave()
            self.app.exit(0)
        elif answer == STOP:
            self.leaving = True
            self.action_abort()
            self.say(f"stopping {running}: leaves when it has ended; q leaves at once")
