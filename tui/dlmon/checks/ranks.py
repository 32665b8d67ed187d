"""Several processes that train together: weights that differ, one that is slow, one that fell silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from dlmon.checks.facts import Lacking, backward_site, listed, parameters_of, well_formed
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon.text import duration
from dlmon_probes.events_machine import Checksum, Pace

APART = 1e-6  # relative difference of Σ|w|: rounding of one float32 sum over 4,096 elements is below 1e-7
LAST_APART = 2  # comparisons in a row, at the end, that must differ: averaging now and then (local SGD) brings together
PACES = 5  # sampled steps that a rank must have been timed in
SLOW = 0.25  # share of the step by which a rank comes later to its backward than the median of the others
SLOW_SECONDS = 0.01  # and at least this much: below it nobody notices
SILENT = 30.0  # seconds: thirty heartbeats


@check("rank.diverged", needs="checksums of the weights of two ranks at the same step")
def diverged(snapshot: RunSnapshot) -> Iterator[Finding]:
    by_rank = _by_rank(snapshot, "checksum")
    if len(by_rank) < 2:
        raise Lacking("checksums of two ranks of one process group")
    steps = _compared(by_rank)
    if not steps:
        raise Lacking("no step at which two ranks were both looked at")
    apart = [(step, found) for step, rows in steps for found in [_apart(rows)] if found]
    agreed = [step for step, rows in steps if not _apart(rows)]
    if len(apart) < LAST_APART or [s for s, _ in apart[-LAST_APART:]] != [s for s, _ in steps[-LAST_APART:]]:
        return
    first = apart[0][0]
    if any(step > first for step in agreed):
        return  # they meet again: parameters are averaged now and then
    replicated = all(row.replicated for _, rows in steps for row in rows.values())
    # Without the wrapper it may be meant: weights that are averaged at steps nobody looked at, experts, pipelines.
    severity = ERROR if replicated else HINT
    since = f"since step {first}" if agreed else "from the first step on"
    ranks, names = _told(apart[-1][1], snapshot)
    yield Finding(
        id="rank.diverged",
        severity=severity,
        title=f"the weights of the ranks differ {since}: {listed(names)} of rank {listed(ranks)}",
        advice="The processes no longer train one model. Broadcast the weights at the start and reduce every gradient "
        "(DistributedDataParallel does both); look for no_sync(), for weights changed outside the optimizer, and for "
        "steps that only some ranks take.",
        step=first,
        where=backward_site(next(iter(snapshot.facts.values()))),
        evidence={"parameters": names[:20], "ranks": ranks, "agreed_at": agreed[-5:], "apart_at": [s for s, _ in apart][
            :10]},
    )  # fmt: skip


def _by_rank(snapshot: RunSnapshot, kind: str) -> dict[int, tuple[RankFacts, Sequence[Checksum | Pace]]]:
    """Ranks of the process group: processes that were spawned have no rank in their environment."""
    found: dict[int, tuple[RankFacts, Sequence[Checksum | Pace]]] = {}
    for facts in snapshot.facts.values():
        rows = well_formed(facts).further.get(kind, ())
        if rows:
            found.setdefault(rows[0].rank, (facts, rows))
    return found


Rows = Mapping[int, Checksum]


def _compared(by_rank: Mapping[int, tuple[RankFacts, Sequence[Checksum | Pace]]]) -> list[tuple[int, Rows]]:
    """(step, checksums by rank) of every step of the first optimizer at which at least two ranks were looked at."""
    steps: dict[int, dict[int, Checksum]] = {}
    for rank, (_, rows) in by_rank.items():
        for row in rows:
            if isinstance(row, Checksum) and row.optimizer == 0:
                steps.setdefault(row.step, {})[rank] = row
    return [(step, rows) for step, rows in sorted(steps.items()) if len(rows) > 1]


def _apart(rows: Rows) -> dict[int, list[int]]:
    """rank → indices of parameters in which it differs from the lowest rank there; empty where all agree."""
    lowest = rows[min(rows)]
    reference = dict(zip(lowest.p, zip(lowest.sums, lowest.sizes, strict=False), strict=False))
    found: dict[int, list[int]] = {}
    for rank, row in rows.items():
        for p, bits, size in zip(row.p, row.sums, row.sizes, strict=False):
            other = reference.get(p)
            if other is None or other[0] == bits:
                continue
            if abs(other[1] - size) > APART * max(abs(other[1]), abs(size)):
                found.setdefault(rank, []).append(p)
    return found


def _told(apart: Mapping[int, list[int]], snapshot: RunSnapshot) -> tuple[list[str], list[str]]:
    known = parameters_of(next(iter(snapshot.facts.values())))
    indices = sorted({p for found in apart.values() for p in found})
    return [str(rank) for rank in sorted(apart)], [known[p].name if p in known else f"parameter {p}" for p in indices]


@check("rank.straggler", needs="several ranks, five sampled steps of each")
def straggler(snapshot: RunSnapshot) -> Iterator[Finding]:
    timed: dict[int, tuple[RankFacts, float, float]] = {}
    for rank, (facts, rows) in _by_rank(snapshot, "pace").items():
        paces = [row for row in rows if isinstance(row, Pace)]
        if len(paces) >= PACES:
            timed[rank] = facts, median(p.before_backward for p in paces), median(p.whole for p in paces)
    if len(timed) < 2:
        raise Lacking("five timed steps of two ranks of one process group")
    slow = max(timed, key=lambda rank: timed[rank][1])
    facts, late, whole = timed[slow]
    usual = median(before for rank, (_, before, _) in timed.items() if rank != slow)
    if late - usual < max(SLOW_SECONDS, SLOW * whole):
        return
    waits = [wait for wait in facts.rows.get("wait", ()) if wait is not None]
    waiting = median(waits) if waits else 0.0
    phase = "waiting for data" if waiting > (late - usual) / 2 else "its forward or what comes before it"
    yield Finding(
        id="rank.straggler",
        severity=WARNING,
        title=f"rank {slow} reaches its backward after {duration(late)}, the others after {duration(usual)}: {phase}",
        advice="All ranks wait for the slowest at every step. Give each the same amount of data and work: look at its "
        "loader workers, at code that only this rank runs (logging, saving), and at other jobs on its device.",
        rank=slow,
        where=backward_site(facts),
        evidence={"subject": str(slow), "before_backward": {str(r): t[1] for r, t in timed.items()}, "step": whole,
                  "wait_for_data": waiting},
    )  # fmt: skip


@check("rank.silent", needs="several ranks")
def silent(snapshot: RunSnapshot) -> Iterator[Finding]:
    ranks = [rank for rank in snapshot.ranks if rank.heartbeat]
    if len(ranks) < 2:
        raise Lacking("more than one rank has reported")
    latest = max(rank.heartbeat for rank in ranks)
    for rank in ranks:
        if rank.ended or rank.phase == "ended" or latest - rank.heartbeat < SILENT:
            continue
        alive = sorted(other.rank for other in ranks if latest - other.heartbeat < SILENT)
        yield Finding(
            id="rank.silent",
            severity=ERROR,
            title=f"rank {rank.rank} has said nothing for {duration(latest - rank.heartbeat)} (step {rank.step}), "
            f"rank {listed([str(other) for other in alive])} goes on",
            advice=f"Its process (pid {rank.pid} on {rank.host or 'its host'}) was killed or is stopped; the others "
            "will wait for it in the next collective. Look for the kernel's out-of-memory killer there.",
            step=rank.step,
            rank=rank.rank,
            evidence={"subject": str(rank.rank), "seconds": latest - rank.heartbeat, "phase": rank.phase},
        )
