"""What a verdict may look at: one stage's run after it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dlmon.rehearsal.report import StageReport, WrittenFile
from dlmon.rehearsal.stages import Options
from dlmon.state.snapshot import RankFacts, RunSnapshot, SeriesView
from dlmon.view import View
from dlmon_probes import events


@dataclass(frozen=True)
class StageRun:
    """The run of one stage.

    seconds: from start to end. timed_out: the driver stopped it after `options.timeout` seconds. aborted: a person
    stopped it. output: the last lines that it printed. repeat: in smoke, the second run with the same seed that ended
    after two steps. earlier: reports of the stages before, by name. run: folder name, relative to the rehearsal's.
    """

    name: str
    view: View
    options: Options
    seconds: float
    run: str = ""
    timed_out: bool = False
    aborted: bool = False
    output: Sequence[str] = ()
    files: Sequence[WrittenFile] = ()
    repeat: View | None = None
    earlier: Mapping[str, StageReport] = field(default_factory=dict)

    @property
    def snapshot(self) -> RunSnapshot:
        return self.view.snapshot

    @property
    def facts(self) -> RankFacts | None:
        return self.view.snapshot.leader

    @property
    def ended_by_stage(self) -> events.Stage | None:
        """The note with which the stage ended the script; None when the script ended by itself."""
        notes = self.facts.stage if self.facts is not None else ()
        return next((note for note in notes if note.action == "end"), None)

    @property
    def losses(self) -> tuple[SeriesView, ...]:
        """The loss of each backward call site."""
        return tuple(series for series in self.snapshot.series if series.source == "loss")
