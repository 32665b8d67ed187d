"""Runs the stages of one rehearsal, each as a run of its own, the next one started while this one goes on.

A stage that was started in advance waits right after its import of torch, which takes longer than most stages: the
process is an ordinary run of the user's command and nothing else, so the result is the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Protocol

from dlmon.errors import UserError, reason
from dlmon.launch import folder as folders
from dlmon.launch import start
from dlmon.launch.command import Command
from dlmon.rehearsal import sources
from dlmon.rehearsal.advance import Started
from dlmon.rehearsal.files import written_files
from dlmon.rehearsal.report import FAIL, PASS, SKIPPED, Record, StageReport, outweighed, read_record, write_record
from dlmon.rehearsal.running import RunningReview, RunWatch, release
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.stages import REVIEW, Options, plan_of
from dlmon.review import locate
from dlmon_probes.stages.files import trackers
from dlmon_probes.stages.plan import ENGINE, FULL, OVERFIT, REPEAT, SMOKE, VARIABLE

SUFFIX = "-rehearsal"


class Running(Protocol):
    """A stage that is going on. folder: its run folder (open a LiveSource on it), None for review."""

    stage: str
    folder: Path | None

    def poll(self) -> StageReport | None:
        """The report once the stage has ended, else None. Cheap; call it a few times a second, from one thread."""

    def abort(self) -> None:
        """Stop it; the report that `poll` then gives is inconclusive."""


class RehearsalLike(Protocol):
    """folder: of the rehearsal. record: what is known so far. wanted: the stages that were chosen, in order."""

    folder: Path
    record: Record

    @property
    def wanted(self) -> Sequence[str]: ...

    def begin(self, stage: str) -> Running:
        """Start (or start again) a stage; the script is read anew. Only one goes on at a time. Raises UserError."""

    def changes(self, stage: str) -> str:
        """What changed in the user's sources since `stage` last ran, as a unified diff; "" when nothing did."""

    def skip(self, stage: str, why: str = "") -> StageReport:
        """Pass a stage by, because of `why`."""

    def resume(self) -> Running | None:
        """The stage that was going on when the rehearsal was left, over by now or not; None when there was none."""

    def leave(self) -> None:
        """Stop what was started in advance. The stage that goes on is let go, for `resume` to find."""

    def close(self) -> None:
        """Stop what was started in advance, and whatever goes on unless it is the full run."""


class Rehearsal:
    """The driver. build: makes the command anew for each run (its script may have been edited). Not thread-safe.

    attended: a screen shows it; stages then go on when this process is gone, as any run does.
    """

    def __init__(
        self, folder: Path, record: Record, build: Callable[[], Command], options: Options, *, attended: bool
    ) -> None:
        self.folder = folder
        self.record = record
        self.wanted = tuple(record.wanted)
        self.options = options
        self._build = build
        self._attended = attended
        self._cwd = Path(record.cwd)
        self._ran: dict[str, sources.Sources] = {}  # stage → the sources that it last ran with
        self._advance: Started | None = None
        self._running: RunningStage | RunningReview | None = None

    @classmethod
    def new(
        cls,
        build: Callable[[], Command],
        runs: Path,
        wanted: Sequence[str],
        options: Options,
        *,
        name: str | None = None,
        attended: bool = False,
        command_line: Mapping[str, Any] | None = None,
    ) -> Rehearsal:
        """Make a rehearsal's folder. Raises UserError: no such script, no room for the folder.

        command_line: further options that are needed to build the command again (see `reopen`).
        """
        command = build()
        started = time.time()
        stem = folders.plain_name(name or command.stem)
        try:
            folder = folders.new_folder(runs, f"{folders.moment_name(started)}-{stem}{SUFFIX}")
        except OSError as error:
            raise UserError(
                f"cannot make a folder in {runs}: {reason(error)}; choose another with --runs-dir"
            ) from None
        script = str(command.script) if command.script is not None else " ".join(command.argv)
        kept = {**asdict(options), **(command_line or {})}
        record = Record(script, command.argv, str(Path.cwd()), started, wanted=tuple(wanted), options=kept)
        made = cls(folder, record, build, options, attended=attended)
        made._write_record()
        return made

    @classmethod
    def reopen(cls, folder: Path, build: Callable[[], Command]) -> Rehearsal:
        """Go on with a rehearsal that was left. Raises UserError for a folder that holds none."""
        record = read_record(folder)
        if record is None:
            raise UserError(f"{folder} holds no rehearsal that can be read; see: dlmon ls")
        known = {field.name for field in fields(Options)}
        options = Options(**{name: value for name, value in record.options.items() if name in known})
        return cls(folder.resolve(), record, build, options, attended=True)

    def resume(self) -> Running | None:
        """The stage that was going on when the rehearsal was left, over by now or not; None when there was none."""
        if self.record.going is None:
            return None
        stage, run = self.record.going
        self._running = RunningStage(self, self.folder / run, stage)
        return self._running

    # ------------------------------------------------------------ the contract

    def begin(self, stage: str) -> Running:
        command = self._build()
        script = script_of(command, self._cwd)
        self._ran[stage] = sources.sources_now(script, self._cwd)
        if stage == REVIEW:
            self._prepare(self._after(REVIEW))
            self._running = RunningReview(lambda: _review(script, self._cwd), self._finish)
        else:
            folder = self._take(stage, command)
            self.record = replace(self.record, going=(stage, folder.name))
            self._write_record()
            self._running = RunningStage(self, folder, stage)
        return self._running

    def changes(self, stage: str) -> str:
        before = self._ran.get(stage)
        return "" if before is None else sources.difference(before, self._now())

    def skip(self, stage: str, why: str = "") -> StageReport:
        report = StageReport(stage, SKIPPED, f"passed by: {why}" if why else "passed by")
        self.record = replace(self.record.with_report(report), going=self.record.going)
        self._write_record()
        return report

    def leave(self) -> None:
        self._drop_advance()
        self._running = None

    def close(self) -> None:
        self._drop_advance()
        running, self._running = self._running, None
        if isinstance(running, RunningStage) and running.stage != FULL and not running.over:
            running.abort()

    # ------------------------------------------------------------ runs

    def _now(self) -> sources.Sources:
        return sources.sources_now(script_of(self._build(), self._cwd), self._cwd)

    def _after(self, stage: str) -> str | None:
        """The wanted stage that comes after this one, where it is a run that can wait for its turn."""
        later = self.wanted[self.wanted.index(stage) + 1 :] if stage in self.wanted else ()
        following = next((name for name in later if self.record.report(name) is None), None)
        return following if following not in (FULL, REVIEW) else None

    def _prepare(self, stage: str | None) -> None:
        """Start a stage in advance."""
        if stage is not None and self._advance is None:
            command = self._build()
            self._advance = self._start(
                stage, command, sources.sources_now(script_of(command, self._cwd), self._cwd), hold=True
            )

    def _take(self, stage: str, command: Command) -> Path:
        """The run of a stage, on its way: the one that waits if it is this stage with these sources."""
        waiting, self._advance = self._advance, None
        now = sources.sources_now(script_of(command, self._cwd), self._cwd)
        if waiting is not None and waiting.stage == stage and waiting.sources == now:
            release(waiting.folder)
            return waiting.folder
        if waiting is not None:
            waiting.stop()
        return self._start(stage, command, now, hold=False).folder

    def _start(self, stage: str, command: Command, now: sources.Sources, *, hold: bool) -> Started:
        plan = plan_of(stage, self.options, hold=hold, driver=os.getpid(), leave=not self._attended)

        def variables(folder: Path) -> dict[str, str]:
            return {} if plan is None else {VARIABLE: plan.encoded(), **trackers.environment(str(folder))}

        overhead = self.options.overhead if plan is not None else 0.01
        begun = start.start(
            command, self.folder, name=stage, exact=True, overhead=overhead, variables=variables, keep_stdin=False
        )
        begun.reap()
        return Started(stage, begun.folder, now)

    def _drop_advance(self) -> None:
        """Stop what waits for its turn, and see its end: whoever has `dlmon check` may delete the folder after it."""
        waiting, self._advance = self._advance, None
        if waiting is not None:
            waiting.stop()
            waiting.wait()

    # ------------------------------------------------------------ the record

    def _finish(self, report: StageReport) -> StageReport:
        self._running = None
        self.record = self.record.with_report(report)
        engine = self.record.report(ENGINE)
        if report.name == OVERFIT and report.verdict == PASS and engine is not None and engine.verdict == FAIL:
            # A real batch is learned: the synthetic one did not suit this model.
            self.record = self.record.with_report(outweighed(engine))
        self._write_record()
        return report

    def _write_record(self) -> None:
        try:
            write_record(self.folder, self.record)
        except OSError as error:
            raise UserError(f"cannot write in {self.folder}: {reason(error)}") from None

    def _earlier(self) -> dict[str, StageReport]:
        return {report.name: report for report in self.record.reports}


def script_of(command: Command, cwd: Path) -> Path | None:
    """The Python file that a command runs, also where it is named by `-m`; None where there is none to read."""
    if command.script is not None:
        return command.script
    return locate.script_of(command.argv, None, cwd)


def _review(script: Path | None, cwd: Path) -> StageReport:
    from dlmon.rehearsal.verdicts import review  # 30 ms that the first paint need not wait for

    return review.judge(script, cwd)


class RunningStage:
    """A stage's run, and in smoke the repeat that follows it."""

    def __init__(self, rehearsal: Rehearsal, folder: Path, stage: str) -> None:
        self.stage = stage
        self.folder: Path | None = folder
        self.over = False
        self._rehearsal = rehearsal
        timeout = rehearsal.options.timeout if stage != FULL else float("inf")
        self._watch = RunWatch(folder, timeout)
        self._repeat: RunWatch | None = None
        self._aborted = False

    def poll(self) -> StageReport | None:
        rehearsal, watch = self._rehearsal, self._watch
        watch.advance()
        if not watch.over:
            if watch.torch_imported():
                rehearsal._prepare(REPEAT if self.stage == SMOKE else rehearsal._after(self.stage))
            return None
        if self.stage == SMOKE and not self._repeated():
            return None
        self.over = True
        return rehearsal._finish(self._report())

    def _repeated(self) -> bool:
        """Whether the second run of smoke is over; it is worth its time only if the first one trained."""
        rehearsal = self._rehearsal
        if self._aborted or self._watch.timed_out or not self._watch.view().snapshot.step:
            return True
        if self._repeat is None:
            self._repeat = RunWatch(rehearsal._take(REPEAT, rehearsal._build()), rehearsal.options.timeout)
        self._repeat.advance()
        if not self._repeat.over and self._repeat.torch_imported():
            rehearsal._prepare(rehearsal._after(SMOKE))
        return self._repeat.over

    def _report(self) -> StageReport:
        from dlmon.rehearsal.verdicts.judge import judge  # not before the first stage is on its way

        watch, rehearsal = self._watch, self._rehearsal
        view = watch.view()
        run = StageRun(
            self.stage, view, rehearsal.options, seconds=watch.ended - watch.began, run=watch.folder.name,
            timed_out=watch.timed_out, aborted=self._aborted, output=watch.output(),
            files=written_files(watch.folder), repeat=self._repeat.view() if self._repeat is not None else None,
            earlier=rehearsal._earlier(),
        )  # fmt: skip
        return judge(run)

    def abort(self) -> None:
        self._aborted = True
        self._watch.stop("a person")
        if self._repeat is not None:
            self._repeat.stop("a person")
