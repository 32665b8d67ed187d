"""One of the runs that are compared: its log read to the end, and what no snapshot keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlmon.checks.finding import Finding, Judgement
from dlmon.errors import UserError
from dlmon.record.manifest import Manifest
from dlmon.record.reader import Tagged
from dlmon.runs import Run, open_run, resolve
from dlmon.state.snapshot import RunSnapshot
from dlmon.view import RunFollower
from dlmon.watch.facts import Facts
from dlmon_probes import events

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_JUDGED_EVERY = 2_000  # events: some faults show in the middle of a run only
_MOST_TIMES = 4096  # pairs of (step, second) that are kept of a run


@dataclass(frozen=True)
class Side:
    """A run as it was read. letter: what it is called in the comparison; A is the baseline.

    times: (steps done, seconds since the training process began), thinned. rss: peak bytes of the process tree, gpu:
    peak bytes of one GPU that the run's own processes held (NVML), None where not told. facts: what conditions speak
    of, None where they were not asked for.
    """

    letter: str
    folder: Path
    manifest: Manifest
    snapshot: RunSnapshot
    judgement: Judgement = field(default_factory=Judgement)
    times: Sequence[tuple[int, float]] = ()
    rss: int | None = None
    gpu: int | None = None
    facts: Facts | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def findings(self) -> list[Finding]:
        """Those that stand at the end."""
        return [finding for finding in self.judgement.findings if not finding.resolved]


class SideReader:
    """Reads one run, from its beginning and then whatever is added to it."""

    def __init__(self, letter: str, run: Run, *, with_facts: bool = False) -> None:
        self.letter, self.run = letter, run
        self._facts = Facts() if with_facts else None
        self._times = Times()
        self._rss: int | None = None
        self._gpu: int | None = None
        self._now = 0.0
        self._follower = RunFollower(run.folder, tap=self._see)

    @property
    def folded(self) -> int:
        """Events so far."""
        return self._follower.folded

    def advance(self, limit: int = _JUDGED_EVERY, seconds: float = math.inf) -> bool:
        """Read on; true if there may be more to read at once."""
        return self._follower.advance(limit=limit, seconds=seconds)

    def judge_so_far(self) -> None:
        """As a screen would have at the last event's time."""
        self._follower.view(self._now)

    def side(self) -> Side:
        """The run as far as it was read."""
        view = self._follower.view()
        return Side(
            self.letter, self.run.folder, self.run.manifest, view.snapshot, view.judgement, self._times.pairs(),
            self._rss, self._gpu, self._facts,
        )  # fmt: skip

    def _see(self, batch: Sequence[Tagged]) -> None:
        for tagged in batch:
            event = tagged.event
            self._now = max(self._now, event.t)
            if isinstance(event, events.Steps):
                self._times.see(tagged.rank, event)
            elif isinstance(event, events.Host):
                self._host(event)
            if self._facts is not None:
                for _ in self._facts.moments(tagged):
                    pass

    def _host(self, event: events.Host) -> None:
        if event.processes:
            self._rss = max(self._rss or 0, sum(row.rss for row in event.processes))
        own = [gpu.own for gpu in event.gpus if gpu.own is not None]
        if own:
            self._gpu = max(self._gpu or 0, *own)


class Times:
    """When steps were done, of the process of the lowest rank. Every second pair goes when there are too many."""

    def __init__(self) -> None:
        self._rank: int | None = None
        self._pairs: list[tuple[int, float]] = []

    def see(self, rank: int, block: events.Steps) -> None:
        if not block.at or (self._rank is not None and rank > self._rank):
            return
        if self._rank is None or rank < self._rank:
            self._rank, self._pairs = rank, []
        self._add(block.first, block.at[0])
        self._add(block.first + len(block.at) - 1, block.at[-1])

    def _add(self, step: int, at: float) -> None:
        if math.isfinite(at) and (not self._pairs or (step > self._pairs[-1][0] and at >= self._pairs[-1][1])):
            self._pairs.append((step, at))
        if len(self._pairs) > _MOST_TIMES:
            del self._pairs[1:-1:2]

    def pairs(self) -> tuple[tuple[int, float], ...]:
        return tuple(self._pairs)


def read_side(letter: str, run: Run, *, with_facts: bool = False) -> Side:
    """All that is on disk of a run, judged along the way."""
    reader = SideReader(letter, run, with_facts=with_facts)
    while reader.advance():
        reader.judge_so_far()
    return reader.side()


def runs_of(names: Sequence[str], runs: Path) -> list[Run]:
    """The runs that the names mean, in their order. Raises UserError for fewer than two, and for more than 26."""
    if len(names) < 2:
        raise UserError(f"{names[0] if names else 'nothing'} alone cannot be compared: name two runs or more")
    if len(names) > len(LETTERS):
        raise UserError(f"{len(names)} runs cannot be told apart: name at most {len(LETTERS)}")
    return [find(name, runs) for name in names]


def find(name: str, runs: Path) -> Run:
    """A run by its name, or what another tool wrote as one. Raises UserError."""
    try:
        return resolve(name, runs)
    except UserError:
        imported = _imported(Path(name).expanduser())
        if imported is None:
            raise
        return open_run(imported)


def _imported(path: Path) -> Path | None:
    """The run folder of a log that another tool wrote; None where there is no such log."""
    if not path.exists():
        return None
    from dlmon.interop import open_source

    return open_source(path)
