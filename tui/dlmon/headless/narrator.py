"""What a run without a screen says: a line now and then, and one at each notable event.

Pure: views in, lines out. The clock is the run's own (`snapshot.now`), so a replay says what the live run said.
"""

from __future__ import annotations

from dlmon import text
from dlmon.checks.finding import Finding
from dlmon.state import snapshot as words
from dlmon.state.snapshot import EvaluationView, RunSnapshot, SeriesView
from dlmon.view import View

STATUS_SECONDS = 5.0
MOST_SERIES = 4  # a program with two dozen losses does not get a line of two dozen numbers

# Said each time, with the detail; the others are part of every run's life and said once, without.
_ALWAYS_SAID = frozenset({words.STALLED, words.PAUSED})


class Narrator:
    """Remembers what was said. `look` gives the lines that a view adds, without the prefix."""

    def __init__(self, every: float = STATUS_SECONDS) -> None:
        self._every = every
        self._due: float | None = None
        self._state = ""
        self._said_states: set[str] = set()
        self._first_losses: set[str] = set()
        self._evaluations_until = float("-inf")  # unix seconds
        self._findings: dict[tuple[str, int | None, str], bool] = {}  # to whether it was said to be resolved
        self._notices: set[str] = set()
        self._status_step = -1

    def look(self, view: View) -> list[str]:
        snapshot = view.snapshot
        lines = [
            *self._state_lines(snapshot),
            *self._first_loss_lines(snapshot),
            *self._evaluation_lines(snapshot),
            *self._finding_lines(view.judgement.findings),
            *self._notice_lines(snapshot),
        ]
        status = self._status_line(snapshot)
        return [*lines, status] if status else lines

    def _state_lines(self, snapshot: RunSnapshot) -> list[str]:
        state = snapshot.state
        if state == self._state or snapshot.over:
            return []
        self._state = state
        if state in self._said_states and state not in _ALWAYS_SAID:
            return []
        self._said_states.add(state)
        detail = f": {text.clean(snapshot.detail)}" if snapshot.detail and state in _ALWAYS_SAID else ""
        return [f"{state}{detail}"]

    def _first_loss_lines(self, snapshot: RunSnapshot) -> list[str]:
        lines = []
        for series in snapshot.series:
            if series.source != "loss" or series.name in self._first_losses or not series.first:
                continue
            self._first_losses.add(series.name)
            step, value = series.first[0]
            place = f" ({text.place(series.where.file, series.where.line)})" if series.where else ""
            lines.append(f"first {label(series)} {text.number(value)} at step {text.count(step)}{place}")
        return lines

    def _evaluation_lines(self, snapshot: RunSnapshot) -> list[str]:
        """The snapshot keeps the last evaluations only; after a jump the older ones are left out."""
        new = [view for view in snapshot.evaluations if view.event.t > self._evaluations_until]
        if new:
            self._evaluations_until = max(view.event.t for view in new)
        return [evaluation_line(view) for view in new]

    def _finding_lines(self, findings: tuple[Finding, ...]) -> list[str]:
        lines = []
        for finding in findings:
            key = finding_key(finding)
            if self._findings.get(key) == finding.resolved:
                continue
            if finding.resolved and key not in self._findings:
                continue  # it came and went between two looks
            self._findings[key] = finding.resolved
            lines.extend(finding_lines(finding))
        return lines

    def _notice_lines(self, snapshot: RunSnapshot) -> list[str]:
        new = [notice for notice in snapshot.notices if notice not in self._notices]
        self._notices.update(new)
        return [text.clean(notice) for notice in new]

    def _status_line(self, snapshot: RunSnapshot) -> str:
        """Every few seconds, if anything moved."""
        if self._due is None:
            self._due = snapshot.now + self._every
        if snapshot.now < self._due or snapshot.over or snapshot.step in (0, self._status_step):
            return ""
        self._due = snapshot.now + self._every
        self._status_step = snapshot.step
        return status_line(snapshot)


def status_line(snapshot: RunSnapshot) -> str:
    """`epoch 3/10  step 1,284/4,000  loss 0.0711  lr 3e-4  212 steps/s  6 min 12 s, about 13 min left`."""
    total = f"/{text.count(snapshot.total_steps)}" if snapshot.total_steps else ""
    parts = [
        f"epoch {text.clean(snapshot.epoch)}" if snapshot.epoch else "",
        f"step {text.count(snapshot.step)}{total}",
        *(f"{label(series)} {text.number(series.last)}" for series in losses(snapshot)[:MOST_SERIES]),
        f"lr {text.setting(snapshot.lr)}" if snapshot.lr is not None else "",
        text.rate(snapshot.timing.rate),
        _memory(snapshot),
        _time(snapshot),
    ]
    return "  ".join(part for part in parts if part)


def losses(snapshot: RunSnapshot) -> list[SeriesView]:
    return [series for series in snapshot.series if series.source == "loss" and series.count]


def label(series: SeriesView) -> str:
    return text.clean(series.name) or "loss"


def _memory(snapshot: RunSnapshot) -> str:
    torch = snapshot.machine.torch
    allocated = sum(row.allocated for row in torch)
    return f"GPU memory {text.size(allocated)}" if allocated else ""


def _time(snapshot: RunSnapshot) -> str:
    left = text.about(snapshot.eta)
    return text.duration(snapshot.elapsed) + (f", {left} left" if left else "")


def evaluation_line(view: EvaluationView) -> str:
    event = view.event
    size = text.plural(event.samples, "sample") if event.samples else text.plural(event.batches, "batch", "batches")
    parts = [
        f"loss {text.number(event.loss)}" if event.loss is not None else "",
        f"accuracy {text.percent(event.accuracy)}" if event.accuracy is not None else "",
        # A log of another tool tells of neither.
        f"{size} in {text.duration(event.seconds)}" if event.samples or event.batches else "",
    ]
    who = f" on rank {view.rank}" if view.rank else ""
    return f"evaluation at step {text.count(event.step)}{who}: {', '.join(part for part in parts if part)}"


def finding_key(finding: Finding) -> tuple[str, int | None, str]:
    """What makes two findings the same one although their numbers changed."""
    return finding.id, finding.rank, str(finding.evidence.get("subject", ""))


def finding_lines(finding: Finding) -> list[str]:
    """One line for what is wrong and where, one for what to do."""
    place = f" ({text.place(finding.where.file, finding.where.line)})" if finding.where else ""
    if finding.resolved:
        return [f"resolved {finding.id}: {text.clean(finding.title)}{place}"]
    since = f"since step {text.count(finding.step)}" if finding.step is not None else ""
    title = text.clean(finding.title)
    if since in title:  # some titles say it themselves
        since = ""
    lines = [f"{finding.severity} {finding.id}: {title}{place}{since and ', ' + since}"]
    if finding.advice:
        lines.append(f"    {text.clean(finding.advice)}")
    return lines
