"""The data set as a program: does it change what it holds, do its workers draw the same numbers, does it keep up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from dlmon.checks.data_facts import loader_rows, site
from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon.text import duration
from dlmon_probes import events
from dlmon_probes.events_data import DatasetChange

AGAIN = 0.5  # of the elements changed between each two passes: a cache fills each one once
PASSES = 2  # transitions in a row; one alone is a cache
DRIFT = 0.02  # of the spread, over the transitions seen: refilled buffers stay where they are
STEPS = 50
LEAST_STEP = 0.005  # seconds: of shorter steps the loader's overhead is a large part by nature
WAITING = 0.5  # share of the time


@check("data.mutated", needs="a data set's own arrays at the beginning of 3 passes")
def mutated(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    trained = {rows.loader for rows in loader_rows(facts) if rows.trained}
    if all(rows.trained is False for rows in loader_rows(facts)):
        raise Lacking("no training loader was seen")
    histories: dict[tuple[int, str], list[DatasetChange]] = {}
    for change in facts.further.get("dataset_change", ()):
        if change.loader in trained:
            histories.setdefault((change.loader, change.path), []).append(change)
    for rows in histories.values():
        steady = [row for row in rows if row.again >= AGAIN]
        if len(steady) >= PASSES and _drifts(rows):
            yield _mutated(facts, rows)


def _drifts(rows: list[DatasetChange]) -> bool:
    """The spread or the mean goes one way from pass to pass."""
    spreads = [row.std for row in rows if row.std is not None]
    means = [row.mean for row in rows if row.mean is not None]
    scale = spreads[0] if spreads else 0.0
    return any(
        len(values) > PASSES and one_way(values) and abs(values[-1] - values[0]) > DRIFT * max(scale, 1e-12)
        for values in (spreads, means)
    )


def one_way(values: list[float]) -> bool:
    pairs = list(zip(values, values[1:], strict=False))
    return all(one < other for one, other in pairs) or all(one > other for one, other in pairs)


def _mutated(facts: RankFacts, rows: list[DatasetChange]) -> Finding:
    first, last = rows[0], rows[-1]
    return Finding(
        id="data.mutated",
        severity=WARNING,
        title=(
            f"the data set's own {first.path} changes with every pass: {last.changed:.0%} of its elements since the "
            f"last one, spread {first.std or 0:.3g} → {last.std or 0:.3g} in {last.number - first.number} passes"
        ),
        advice="Augment a copy: x = self.x[i].clone() (NumPy: .copy()); x += … and x.add_(…) change the data set.",
        step=first.step,
        rank=facts.rank,
        where=site(facts, first.loader),
        evidence={
            "subject": f"{first.loader}{first.path}",
            "array": first.path,
            "changed": last.changed,
            "mean": [row.mean for row in rows],
            "std": [row.std for row in rows],
        },
    )


@check("data.augment_repeats", needs="a loader with 2 workers or more")
def augment_repeats(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not any(loader.workers > 1 for loader in facts.loaders.values()):
        raise Lacking("no loader has several workers")
    trained = {rows.loader for rows in facts.further.get("loader_rows", ()) if rows.trained}
    for source in facts.further.get("worker_random", ()):
        if source.loader not in trained:
            continue
        if source.how == "seed":
            what = f"{source.name} gives each of the {source.workers} workers the same seed"
            advice = "Seed by the worker: numpy.random.seed(torch.initial_seed() % 2**32), or leave worker_init_fn out."
        else:
            what = f"each of the {source.workers} workers draws from its own copy of the data set's {source.name}"
            advice = (
                "Make the generator in the worker, from torch.initial_seed(), or draw from torch's own generator: "
                "that one is seeded for each worker and each epoch."
            )
        yield Finding(
            id="data.augment_repeats",
            severity=WARNING,
            title=f"{what}: the same random numbers {source.workers} times, and again in every epoch",
            advice=advice,
            step=0,
            rank=facts.rank,
            where=source.where or site(facts, source.loader),
            evidence={
                "subject": str(source.loader),
                "workers": source.workers,
                "source": source.how,
                "name": source.name,
            },
        )


@check("data.loader_bound", needs="waiting time and duration of 50 steps of 5 ms or more")
def loader_bound(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    loader = _trained_loader(facts)
    pairs = [
        (wait, dt)
        for wait, dt in zip(facts.rows.get("wait", ()), facts.rows.get("dt", ()), strict=False)
        if wait is not None and dt is not None and math.isfinite(wait) and math.isfinite(dt)
    ]
    if loader is None or len(pairs) < STEPS:
        raise Lacking("fewer than 50 steps fed by a DataLoader were timed")
    dt, waits = median(dt for _, dt in pairs), median(wait for wait, _ in pairs)
    if dt < LEAST_STEP or waits <= WAITING * dt:
        return
    yield _loader_bound(facts, loader, waits, dt, len(pairs))


def _trained_loader(facts: RankFacts) -> events.Loader | None:
    trained = [rows.loader for rows in facts.further.get("loader_rows", ()) if rows.trained]
    return facts.loaders.get(trained[-1]) if trained else None


def _loader_bound(facts: RankFacts, loader: events.Loader, wait: float, dt: float, steps: int) -> Finding:
    own = dt - wait
    if loader.workers:
        work = (wait + own) * loader.workers  # the workers are never idle while the loop waits
        needed = min(max(loader.workers + 1, round(work / max(own, LEAST_STEP))), 4 * loader.workers)
        advice = (
            f"Raise num_workers (about {needed} would keep up if there are as many free cores), or make a sample "
            "cheaper: smaller or decoded files, transforms on the device."
        )
    else:
        workers = min(max(1, round(wait / max(own, LEAST_STEP)) + 1), 8)
        advice = (
            f"Try num_workers={workers} with persistent_workers=True: steps of about "
            f"{duration(max(own, wait / workers))} instead of {duration(dt)}, if {workers} cores are free."
        )
    return Finding(
        id="data.loader_bound",
        severity=HINT,
        title=(
            f"{wait / dt:.0%} of each step is waiting for data: {duration(wait)} of {duration(dt)} (median of {steps})"
        ),
        advice=advice,
        rank=facts.rank,
        where=site(facts, loader.loader),
        evidence={
            "subject": str(loader.loader),
            "wait_seconds": wait,
            "step_seconds": dt,
            "share": wait / dt,
            "workers": loader.workers,
            "pin_memory": loader.pin_memory,
            "steps": steps,
        },
    )
