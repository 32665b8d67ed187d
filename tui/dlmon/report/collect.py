"""One pass over a run's log, into an Evidence. The clock is never asked: the same log gives the same Evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlmon.errors import UserError
from dlmon.record import layout
from dlmon.record.manifest import Manifest, read_manifest
from dlmon.record.reader import Tagged
from dlmon.rehearsal.report import Record, read_record
from dlmon.report.evidence import Evidence, Process
from dlmon.report.machine import MachineFold
from dlmon.report.process import ProcessFold
from dlmon.runs import Run
from dlmon.state import phase
from dlmon.state.snapshot import LOST, RunSnapshot
from dlmon.view import RunFollower, View
from dlmon_probes import events

_JUDGED_EVERY = 2_000  # events: some faults show in the middle of a run only
MOST_PROCESSES = 64  # of the lowest rank: trainings that one script starts one after another

# Of a rehearsal, the stage whose log the tables are made from: the least changed one that ran.
_STAGES = ("full", "subset", "smoke", "overfit", "engine", "lr")


class _Collector:
    """Takes every event on its way into the state."""

    def __init__(self) -> None:
        self.now = 0.0
        self.machine = MachineFold()
        self.processes: dict[str, ProcessFold] = {}
        self._lowest: int | None = None
        self._crash: events.Crash | None = None

    def take(self, batch: Sequence[Tagged]) -> None:
        for tagged in batch:
            self.now = max(self.now, tagged.event.t)
            if tagged.rank == layout.SUPERVISOR_RANK:
                self.machine.fold(tagged.event)
            else:
                self._rank(tagged)

    def _rank(self, tagged: Tagged) -> None:
        if self._lowest is None or tagged.rank < self._lowest:
            self._lowest = tagged.rank
            self.processes = {file: fold for file, fold in self.processes.items() if fold.rank <= tagged.rank}
        if tagged.rank != self._lowest:
            return
        fold = self.processes.get(tagged.source)
        if fold is None:
            if len(self.processes) >= MOST_PROCESSES:
                return
            fold = self.processes[tagged.source] = ProcessFold(tagged.source, tagged.rank)
        fold.fold(tagged.event)

    def result(self) -> tuple[Process, ...]:
        found = [process for fold in self.processes.values() if (process := fold.result()) is not None]
        return tuple(sorted(found, key=lambda process: (process.hello.t, process.file)))


def collect(folder: Path) -> Evidence:
    """Everything about the run in `folder`. Raises UserError where there is no readable manifest."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(f"{folder / layout.MANIFEST} cannot be read: it is not a run's manifest, or is damaged")
    collector = _Collector()
    follower = RunFollower(folder, tap=collector.take)
    while follower.advance(limit=_JUDGED_EVERY, seconds=math.inf):
        follower.view(collector.now)
    view = _ended(follower.view(collector.now), manifest, folder)
    return Evidence(
        folder=folder,
        manifest=manifest,
        view=view,
        processes=collector.result(),
        machine=collector.machine.result(),
    )


def collect_rehearsal(folder: Path) -> Evidence:
    """A rehearsal: its record, and the log of the stage that changed the least. Raises UserError."""
    record = read_record(folder)
    if record is None:
        raise UserError(f"the record of the rehearsal in {folder} cannot be read; run `dlmon check` anew")
    stage, run = _stage_run(folder, record)
    if run is None:
        raise UserError(f"no stage of the rehearsal in {folder} has run; there is nothing to report")
    found = collect(run)
    return replace(found, rehearsal=record, stage=stage, manifest=replace(found.manifest, name=folder.name))


def _stage_run(folder: Path, record: Record) -> tuple[str, Path | None]:
    ran = {report.name: folder / report.run for report in record.reports if report.run}
    inside = {
        name: run
        for name, run in ran.items()
        if run.resolve().parent == folder.resolve() and read_manifest(run) is not None
    }
    return next(((name, inside[name]) for name in _STAGES if name in inside), ("", None))


def _ended(view: View, manifest: Manifest, folder: Path) -> View:
    """The view with the end that the log lacks: from the manifest, or because nothing of the run is alive any more."""
    snapshot = view.snapshot
    if snapshot.over:
        return view
    if manifest.outcome is not None:
        return View(_with_outcome(snapshot, manifest), view.judgement)
    if Run(folder, manifest).over:
        return View(
            replace(snapshot, state=LOST, detail="no end was recorded and its processes are gone"), view.judgement
        )
    return view


def _with_outcome(snapshot: RunSnapshot, manifest: Manifest) -> RunSnapshot:
    outcome = manifest.outcome
    assert outcome is not None
    end = events.Exit(t=outcome.ended, code=outcome.code, seconds=outcome.seconds, signal=outcome.signal)
    leader = snapshot.leader
    clues = phase.Clues(outcome.ended, exit=end, crash=leader.crash if leader else None)
    state, detail = phase.end_of(clues)
    return replace(
        snapshot, state=state, detail=detail, exit_code=end.code, signal=end.signal, elapsed=max(0.0, outcome.seconds)
    )
