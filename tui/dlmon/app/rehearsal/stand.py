"""Where a rehearsal stands: immutable, made on the conductor's thread, drawn by the screen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from dlmon.app.source import Frame
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, SKIPPED, Record, StageReport
from dlmon.rehearsal.stages import STAGES
from dlmon.state.snapshot import PAUSED, RunSnapshot
from dlmon.text import plural
from dlmon_probes.stages.plan import FULL


@dataclass(frozen=True)
class Stand:
    """reports: by stage. running: the stage that goes on, "" when none does. folder: its run folder, None while it has
    none. began: when it was started here, on the monotonic clock, in seconds."""

    script: str
    wanted: Sequence[str]
    reports: Mapping[str, StageReport] = field(default_factory=dict)
    running: str = ""
    folder: Path | None = None
    began: float = 0.0

    @property
    def next_stage(self) -> str:
        """The first chosen stage that has no verdict yet; "" when all have one."""
        return next((stage for stage in self.wanted if stage not in self.reports and stage != self.running), "")

    @property
    def next_short(self) -> str:
        """As `next_stage`, without the full run: that one is only begun by a person."""
        stage = self.next_stage
        return "" if stage == FULL else stage

    def with_verdict(self, verdict: str) -> list[str]:
        """The stages that ended so, in their own order."""
        return [stage for stage in STAGES if stage in self.reports and self.reports[stage].verdict == verdict]

    @property
    def failed(self) -> list[str]:
        return self.with_verdict(FAIL)

    def tally(self) -> str:
        """`3 passed, 1 failed`; "" before anything ended."""
        words = ((PASS, "passed"), (FAIL, "failed"), (INCONCLUSIVE, "inconclusive"), (SKIPPED, "skipped"))
        parts = [(len(self.with_verdict(verdict)), word) for verdict, word in words]
        return ", ".join(f"{amount} {word}" for amount, word in parts if amount)


def stand_of(record: Record, wanted: Sequence[str]) -> Stand:
    """As a record tells it, with nothing going on."""
    name = PurePath(record.script).name or record.script
    return Stand(name, tuple(wanted), {report.name: report for report in record.reports})


@dataclass(frozen=True)
class Scene:
    """Everything that the screen draws. chosen: the stage under the cursor. seconds: how long the running stage has
    gone on. frame: the newest of its run. conclusion: what all verdicts together say."""

    stand: Stand
    chosen: str
    auto: bool = False
    seconds: float = 0.0
    frame: Frame = field(default_factory=Frame)
    conclusion: str = ""

    @property
    def report(self) -> StageReport | None:
        """Of the chosen stage; of one that runs again there is none yet."""
        return None if self.chosen == self.stand.running else self.stand.reports.get(self.chosen)

    @property
    def snapshot(self) -> RunSnapshot | None:
        return self.frame.view.snapshot if self.frame.view else None

    @property
    def paused(self) -> bool:
        return self.snapshot is not None and self.snapshot.state == PAUSED

    @property
    def enter_runs(self) -> str:
        """The stage that Enter starts: the chosen one, or where that has run already the next; "" for none."""
        if self.stand.running:
            return ""
        return self.chosen if self.chosen not in self.stand.reports else self.stand.next_stage


def all_over(stand: Stand) -> str:
    """What is to be said when every chosen stage has its verdict: `all 4 stages passed`; "" before that."""
    ended = [stage for stage in stand.wanted if stage in stand.reports and stage != FULL]
    if stand.running or stand.next_short or not ended:
        return ""
    passed = sum(stand.reports[stage].verdict == PASS for stage in ended)
    if passed < len(ended):
        return f"{passed} of {plural(len(ended), 'stage')} passed"
    return f"all {plural(passed, 'stage')} passed" if passed > 1 else "the stage passed"
