"""A training that does not move."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import leader
from dlmon.checks.finding import WARNING, Finding
from dlmon.checks.frames import last_place
from dlmon.checks.registry import check
from dlmon.state.phase import STALL_FACTOR, STALL_FLOOR
from dlmon.state.snapshot import FAILED, STALLED, STOPPED, RankFacts, RunSnapshot
from dlmon.text import duration
from dlmon.text import place as at_line


@check("run.stalled", needs="a step that was completed")
def stalled(snapshot: RunSnapshot) -> Iterator[Finding]:
    """No step for ten times the usual one and half a minute, and nothing else moves: no output, no bar, no backward,
    no evaluation (`state.phase` decides). After the end: it was so when somebody ended it."""
    facts = leader(snapshot)
    seconds = _silent(snapshot, facts)
    if seconds is None or (snapshot.total_steps is not None and snapshot.step >= snapshot.total_steps):
        return
    beat = facts.heartbeat
    inside = f", {beat.backwards} backwards into step {beat.step}" if beat and beat.backwards else ""
    usual = f"; a step usually takes {duration(snapshot.timing.median)}" if snapshot.timing.median else ""
    place = last_place(facts)
    there = f", in {at_line(place.where.file, place.where.line)}" if place else ""
    others = [rank for rank in snapshot.ranks if rank.step > snapshot.step]
    behind = f" Rank {facts.rank} is behind the others: it waits, or they wait for it." if others else ""
    yield Finding(
        id="run.stalled",
        severity=WARNING,
        title=f"no step for {duration(seconds)} after step {snapshot.step}{inside}{there}{usual}",
        advice="Look at the stacks of its threads (py-spy dump --pid "
        f"{facts.hello.pid if facts.hello else '…'}): a collective waits for a rank that left, a loader worker hangs "
        f"in a read, or a lock is held twice.{behind}",
        step=snapshot.step,
        rank=facts.rank,
        where=place.where if place else None,
        evidence={"seconds": seconds, "median_step": snapshot.timing.median, "phase": beat.phase if beat else None,
                  "steps_by_rank": {str(rank.rank): rank.step for rank in snapshot.ranks}},
    )  # fmt: skip


def _silent(snapshot: RunSnapshot, facts: RankFacts) -> float | None:
    """Seconds without a step, None while that is nothing to worry about."""
    beat = facts.heartbeat
    if beat is None or not snapshot.step:
        return None
    if snapshot.state == STALLED:
        return beat.since + max(0.0, snapshot.now - beat.t)
    ended = snapshot.state == STOPPED or (snapshot.state == FAILED and snapshot.signal and facts.crash is None)
    limit = max(STALL_FLOOR, STALL_FACTOR * (snapshot.timing.median or 0.0))
    return beat.since if ended and beat.phase == "training" and beat.since > limit else None
