"""RunState: everything that the events read so far say of a run, folded as they come."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dlmon.record import layout
from dlmon.record.manifest import Manifest, read_manifest
from dlmon.record.reader import Tagged
from dlmon.state import phase, progress
from dlmon.state.bars import BarProgress, Progress
from dlmon.state.checklist import checklist
from dlmon.state.fatal import fatal_line
from dlmon.state.losses import BUCKETS_OF_OTHERS
from dlmon.state.machine import Machine
from dlmon.state.ranks import RankState
from dlmon.state.series import MOST_BUCKETS
from dlmon.state.snapshot import PAUSED, BarView, EvaluationView, PredictionsView, RunSnapshot
from dlmon.state.supervision import Supervision
from dlmon_probes import events

LIVE_CLOCK = 5.0  # seconds: a `now` this close to the clock means that processes may be asked after
MANIFEST_SECONDS = 1.0  # how often run.json is looked at again while it is not final
SECOND_PROCESS = 100_000  # added to the rank of a further process of the same rank to file it


class RunState:
    """The fold. Give it events in the order of their time; ask for a snapshot as often as is drawn.

    Nothing in an event can make it raise, and its memory is bounded by the number of processes and parameters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.corrupt_lines = 0
        self._ranks: dict[str, RankState] = {}  # by file
        self._keys: dict[int, RankState] = {}  # by rank, further processes of a rank above
        self._machine = Machine()
        self._supervision = Supervision()
        self._liveness = phase.Liveness()
        self._manifest: Manifest | None = None
        self._manifest_read: float | None = None
        self._fatal: events.Where | None = None
        self._looked_for_stack = False
        self._odd = 0  # events that could not be folded
        self._leader: RankState | None = None
        self._bars: BarProgress | None = None  # the leader's

    def fold_all(self, tagged: Iterable[Tagged]) -> None:
        for item in tagged:
            self.fold(item)

    def continue_block(self, tagged: Tagged) -> None:
        """Fold the rest of the block of steps that this log gave last."""
        rank = self._ranks.get(tagged.source)
        if rank is not None:
            rank.columns.clock.continue_last()
        self.fold(tagged)

    def fold(self, tagged: Tagged) -> None:
        try:
            if tagged.rank == layout.SUPERVISOR_RANK:
                self._fold_host(tagged.event)
            else:
                self._fold_rank(tagged)
        except (ArithmeticError, ValueError, TypeError, LookupError):
            # Well-formed but absurd (a log is untrusted): the rest of the run is still worth showing.
            self._odd += 1

    def _fold_host(self, event: object) -> None:
        if isinstance(event, events.Host):
            self._machine.host(event)
        self._supervision.fold(event)

    def _fold_rank(self, tagged: Tagged) -> None:
        rank = self._ranks.get(tagged.source) or self._add_rank(tagged.source, tagged.rank)
        rank.fold(tagged.event)
        if isinstance(tagged.event, events.Bar) and rank is self._leader and self._bars is not None:
            self._bars.bar(tagged.event)

    def _add_rank(self, source: str, number: int) -> RankState:
        key = number
        previous = self._keys.get(number)
        while key in self._keys:
            key += SECOND_PROCESS
        small = bool(self._keys) and number > min(self._keys)
        rank = RankState(number, source, BUCKETS_OF_OTHERS if small else MOST_BUCKETS)
        if previous is not None and previous.ended:
            # One training after another (a sweep, a second phase): the rank's name goes to the one that is running.
            self._keys[key], key = previous, number
        self._ranks[source] = self._keys[key] = rank
        leader = self._keys[min(self._keys)]
        if leader is not self._leader:
            self._leader, self._bars = leader, BarProgress(leader.columns.clock)
        return rank

    def snapshot(self, now: float | None = None) -> RunSnapshot:
        """The run as read so far. now: unix seconds; the clock where None."""
        clock = time.time()
        live = now is None or abs(now - clock) < LIVE_CLOCK
        moment = clock if now is None else now
        self._look_at_manifest()
        leader = self._leader
        state, detail, end = self._state(moment, live)
        started = self._started()
        over = end.t if end is not None else moment
        base = self._base(state, detail, end)
        base = replace(base, started=started, now=moment, elapsed=max(0.0, over - started) if started else 0.0)
        return base if leader is None else self._with_leader(base, leader)

    def _base(self, state: str, detail: str, end: events.Exit | None) -> RunSnapshot:
        manifest = self._manifest
        launch = self._supervision.launch
        return RunSnapshot(
            name=manifest.name if manifest else self.folder.name,
            folder=str(self.folder),
            command=tuple(manifest.argv or manifest.command if manifest else launch.command if launch else ()),
            state=state,
            detail=detail,
            exit_code=end.code if end and end.recorded else None,
            signal=end.signal if end else "",
            world=max([len(self._keys), *(r.hello.world for r in self._keys.values() if r.hello), 1]),
            machine=self._machine.view([row for rank in self._in_order() for row in rank.memory]),
            smoke=checklist(None, 0, ()),
            corrupt_lines=self.corrupt_lines,
            notices=self._notices(),
            fatal=self._fatal_line(end),
        )

    def _with_leader(self, base: RunSnapshot, leader: RankState) -> RunSnapshot:
        ranks = self._in_order()
        columns = leader.columns
        step = columns.step
        facts = {key: self._keys[key].facts() for key in sorted(self._keys)}
        evaluations = tuple(
            EvaluationView(leader.rank, event, columns.passes.of(event).label) for event in leader.evaluations.items()
        )
        told = self._bars.progress(step) if self._bars is not None else Progress()
        first = None if columns.first_end is None else (columns.first_step, columns.first_end)
        return replace(
            base,
            step=step,
            total_steps=told.total_steps,
            epoch=told.epoch or leader.passes(),
            eta=None if base.over else progress.eta(step, told.total_steps, first, columns.last_end),
            timing=columns.timing(),
            ranks=tuple(rank.view() for rank in ranks),
            series=columns.views(),
            lr=columns.lr,
            parameters=leader.gradients.view(),
            parameters_step=leader.gradients.step,
            bars=tuple(BarView(rank.rank, bar) for rank in ranks for bar in rank.bars.values()),
            smoke=checklist(facts[min(facts)], step, evaluations),
            evaluations=evaluations,
            predictions=tuple(PredictionsView(leader.rank, event) for event in leader.predictions.items()),
            facts=facts,
        )

    def _in_order(self) -> list[RankState]:
        return [self._keys[key] for key in sorted(self._keys)]

    def _started(self) -> float | None:
        if self._supervision.launch is not None:
            return self._supervision.launch.t
        if self._manifest is not None and self._manifest.created is not None:
            return self._manifest.created
        return min((rank.hello.t for rank in self._keys.values() if rank.hello), default=None)

    def _state(self, now: float, live: bool) -> tuple[str, str, events.Exit | None]:
        """State, detail, and the end if there was one. live: the manifest and the process table may be asked."""
        end = self._supervision.exit or (self._recorded_outcome() if live else None)
        clues = self._clues(now, end)
        if end is not None:
            return (*phase.end_of(clues), end)
        host = self._supervision.host
        if live and not self._liveness.alive(self._manifest, host, clues.written, now):
            return (*phase.gone(clues), None)
        state, detail = phase.living(clues)
        return (state, detail or self._why_paused(state), None)

    def _why_paused(self, state: str) -> str:
        """The condition that paused the training, as long as nobody let it go on since."""
        broke, leader = self._supervision.broke, self._leader
        if state != PAUSED or broke is None or leader is None or leader.resumed > broke.t:
            return ""
        return broke.reason

    def _clues(self, now: float, end: events.Exit | None) -> phase.Clues:
        leader, supervision = self._leader, self._supervision
        written = max([supervision.written, *(rank.written for rank in self._keys.values())])
        if leader is None:
            return phase.Clues(
                now, phase=supervision.phase, written=written, exit=end, stop_requested=supervision.stop_requested
            )
        return phase.Clues(
            now=now,
            phase=leader.phase.name or supervision.phase,
            step=leader.columns.step,
            written=written,
            progressed=max(leader.progressed, supervision.output_grew),
            median=leader.columns.timing().median,
            exit=end,
            stop_requested=supervision.stop_requested,
            crash=leader.crash,
            left=leader.end is not None,
        )

    def _fatal_line(self, end: events.Exit | None) -> events.Where | None:
        """Looked for once, after the end."""
        if end is None or not end.signal:
            return None
        if not self._looked_for_stack:
            self._looked_for_stack, self._fatal = True, fatal_line(self.folder)
        return self._fatal

    def _recorded_outcome(self) -> events.Exit | None:
        """The end from the manifest: the supervisor's log may be torn right before it."""
        outcome = self._manifest.outcome if self._manifest else None
        if outcome is None:
            return None
        return events.Exit(t=outcome.ended, code=outcome.code, seconds=outcome.seconds, signal=outcome.signal)

    def _look_at_manifest(self) -> None:
        if self._manifest is not None and self._manifest.outcome is not None:
            return
        asked = time.monotonic()
        if self._manifest_read is None or asked - self._manifest_read >= MANIFEST_SECONDS or self._supervision.exit:
            self._manifest_read = asked
            self._manifest = read_manifest(self.folder) or self._manifest

    def _notices(self) -> tuple[str, ...]:
        notices = [
            f"probe {error.probe} switched itself off: {error.error}"
            for rank in self._in_order()
            for error in rank.probe_errors
        ]
        if self.corrupt_lines:
            notices.append(f"{self.corrupt_lines} lines of the log could not be read and were left out")
        if self._odd:
            notices.append(f"{self._odd} events of the log made no sense and were left out")
        return tuple(dict.fromkeys([*reversed(self._supervision.watched), *notices]))[:20]
