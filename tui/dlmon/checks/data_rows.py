"""What the loaders' rows add up to: the same ones again, their order, rows shared by training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.data_facts import Rows, in_repeated_stage, loader_rows, made_at, site
from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon.text import plural
from dlmon_probes import events
from dlmon_probes.events_data import DatasetLabels

SAME_BATCHES = 5  # in a row: shuffling gives the same batch twice by chance only where a batch is the data set
SAME_SHARE = 0.9  # of the batches looked at
LEAST_ORDERED = 100  # neighbours that must have been seen
ORDERED = 0.2  # × the changes of label that a random order would have
LEAKED = 0.01  # share of the evaluation rows; 0.1 % of duplicates are common in published data sets
LEAST_LEAKED = 5  # rows
ALL = 0.95  # of the evaluation rows: evaluated on the training set itself
LEAST_EVALUATED = 20  # rows
RICH = 40.0  # bits: with fewer, two rows are easily the same by chance (2^20 rows would meet once)
SHIFT = 3.0  # standard deviations of the training data
SCALE = 2.5  # × or ÷: cropping, flipping and mixing change a spread by less than 2 ×
SHIFTED = 0.5  # of the features
LEAST_COMPARED = 64  # rows on both sides


@check("data.same_batch", needs="5 batches of a loader that has more than one", explains=("data.label_constant",))
def same_batch(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if in_repeated_stage(facts):
        raise Lacking("this stage repeats one batch on purpose")
    for rows in loader_rows(facts):
        loader = facts.loaders.get(rows.loader)
        if not rows.trained or loader is None or loader.length is None or loader.length < 2 or rows.batches < 2:
            continue
        if rows.one_row >= max(SAME_SHARE * rows.batches, SAME_BATCHES) and rows.distinct == 1:
            yield _same(facts, rows, f"all {rows.rows:,} samples of {rows.batches} batches are the same one")
        elif rows.same_batch >= max(SAME_SHARE * (rows.batches - 1), SAME_BATCHES - 1):
            yield _same(
                facts, rows, f"the loader gave the same batch {rows.batches} times, though it has {loader.length:,}"
            )


def _same(facts: RankFacts, rows: Rows, what: str) -> Finding:
    return Finding(
        id="data.same_batch",
        severity=WARNING,
        title=f"{what}: the model sees {plural(rows.distinct, 'different sample')}",
        advice=(
            "Look at __getitem__ (does it use its index?) and at the loop: next(iter(loader)) begins a new pass each "
            "time; iterate over the loader instead."
        ),
        step=0,
        rank=facts.rank,
        where=site(facts, rows.loader),
        evidence={
            "subject": made_at(facts, rows.loader),
            "batches": rows.batches,
            "same_as_before": rows.same_batch,
            "distinct_rows": rows.distinct,
        },
    )


@check(
    "data.not_shuffled",
    needs="class labels of 100 samples of a loader that reads in order",
    explains=("data.label_constant",),
)
def not_shuffled(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    judged = False
    for rows in loader_rows(facts):
        loader = facts.loaders.get(rows.loader)
        if not rows.trained or loader is None or loader.sampler != "SequentialSampler" or (loader.length or 0) < 2:
            continue
        told = _held(facts, rows.loader) or rows
        pairs = told.rows - 1 if isinstance(told, DatasetLabels) else told.neighbours
        if pairs < LEAST_ORDERED or len(told.labels) < 2:
            continue
        judged = True
        expected = pairs * _of_different(told.labels)
        if told.changes <= ORDERED * expected:
            yield _not_shuffled(facts, loader, told.changes, pairs, expected)
    if not judged:
        raise Lacking("no training loader that reads in order, or fewer than 100 labelled samples of it")


def _held(facts: RankFacts, loader: int) -> DatasetLabels | None:
    return next((held for held in facts.further.get("dataset_labels", ()) if held.loader == loader), None)


def _of_different(labels: dict[str, int]) -> float:
    """The chance that two samples have different labels."""
    total = sum(labels.values())
    return 1.0 - sum((count / total) ** 2 for count in labels.values())


def _not_shuffled(facts: RankFacts, loader: events.Loader, changes: int, pairs: int, expected: float) -> Finding:
    return Finding(
        id="data.not_shuffled",
        severity=WARNING,
        title=(
            f"the training data are read in order and their labels come in runs: {changes:,} changes of label in "
            f"{pairs + 1:,} samples, where a shuffled order would have about {expected:,.0f}"
        ),
        advice="Pass shuffle=True to the training DataLoader, so that every batch has all kinds of samples.",
        step=0,
        rank=facts.rank,
        where=site(facts, loader.loader),
        evidence={
            "subject": made_at(facts, loader.loader),
            "changes": changes,
            "neighbours": pairs,
            "expected_changes": expected,
            "sampler": loader.sampler,
        },
    )


@check("data.leak", needs="rows of training and evaluation batches that can be told apart")
def leak(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    known = {rows.loader: rows for rows in loader_rows(facts)}
    evaluated = {view.event.loader: view.event for view in snapshot.evaluations if view.rank == facts.rank}
    judged = False
    for rows in known.values():
        passed = evaluated.get(rows.loader)
        if rows.trained or passed is None or rows.distinct < LEAST_EVALUATED or (rows.bits or 0.0) < RICH:
            continue
        judged = True
        if passed.name.lower().startswith("train"):
            continue
        shared = {int(loader): count for loader, count in rows.shared.items() if int(loader) in known}
        if shared:
            loader = max(shared, key=lambda one: shared[one])
            found = _leak(facts, rows, known[loader], shared[loader])
            if found is not None:
                yield found
    if not judged:
        raise Lacking("no evaluation loader whose rows are rich enough to be told apart was seen")


def _leak(facts: RankFacts, rows: Rows, trained: Rows, shared: int) -> Finding | None:
    loader = facts.loaders.get(trained.loader)
    samples = loader.samples if loader is not None else None
    coverage = min(trained.distinct / samples, 1.0) if samples else 1.0  # of the training rows that were looked at
    share = shared / rows.distinct
    whole = share >= ALL * coverage
    if shared < LEAST_LEAKED or share <= LEAKED:
        return None
    return Finding(
        id="data.leak",
        severity=HINT if whole else WARNING,
        title=f"{shared:,} of {rows.distinct:,} evaluation samples were trained on ({share:.0%})",
        advice=(
            "This evaluation measures memory, not generalisation; evaluate on samples held out of the training."
            if whole
            else "Split before duplicating or oversampling, and split by source: drop these samples from one side."
        ),
        step=rows.step,
        rank=facts.rank,
        where=site(facts, rows.loader),
        evidence={
            "subject": str(rows.loader),
            "shared": shared,
            "evaluation_rows": rows.distinct,
            "training_rows": trained.distinct,
            "share": share,
            "training_rows_looked_at": coverage,
        },
    )


@check("data.eval_preprocessing", needs="64 input rows of a training and of an evaluation loader")
def eval_preprocessing(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    known = loader_rows(facts)
    evaluated = {view.event.loader for view in snapshot.evaluations}
    judged = False
    for rows in known:
        if rows.trained or rows.loader not in evaluated or rows.rows < LEAST_COMPARED:
            continue
        alike = [
            one for one in known
            if one.trained and one.input_path == rows.input_path and len(one.mean) == len(rows.mean) > 0
            and one.rows >= LEAST_COMPARED
        ]  # fmt: skip
        judged = judged or bool(alike)
        different = [_difference(one, rows) for one in alike]
        if different and all(found is not None for found in different):
            yield _eval_preprocessing(facts, alike[-1], rows, different[-1] or (0.0, ""))
    if not judged:
        raise Lacking("no training and evaluation loader with 64 comparable rows each")


def _difference(trained: Rows, evaluated: Rows) -> tuple[float, str] | None:
    """(share of the features that differ, how), or None where fewer than half do."""
    pairs = [
        (tm, ts, em, es)
        for tm, ts, em, es in zip(trained.mean, trained.std, evaluated.mean, evaluated.std, strict=False)
        if tm is not None and em is not None and ts and es is not None
    ]
    if len(pairs) < max(2, len(trained.mean) // 4):
        return None  # mostly constant features
    shifted = [abs(em - tm) > SHIFT * ts for tm, ts, em, es in pairs]
    scaled = [es > SCALE * ts or es * SCALE < ts for tm, ts, em, es in pairs]
    moved = sum(one or other for one, other in zip(shifted, scaled, strict=True)) / len(pairs)
    if moved <= SHIFTED:
        return None
    if sum(scaled) <= SHIFTED * len(pairs):
        return moved, "offset"
    return moved, "offset and scale" if sum(shifted) >= sum(scaled) else "scale"


def _eval_preprocessing(facts: RankFacts, trained: Rows, rows: Rows, found: tuple[float, str]) -> Finding:
    share, how = found
    means = [_average(trained.mean), _average(trained.std), _average(rows.mean), _average(rows.std)]
    return Finding(
        id="data.eval_preprocessing",
        # An offset alone is what a series with a trend has, too, when its end is held out.
        severity=HINT if how == "offset" else WARNING,
        title=(
            f"evaluation inputs have another {how} than training inputs in {share:.0%} of the features: mean "
            f"{means[2]:.3g} ± {means[3]:.3g} against {means[0]:.3g} ± {means[1]:.3g}"
        ),
        advice="Use the same normalisation for both, with the numbers (mean, std, maximum) of the training data.",
        step=rows.step,
        rank=facts.rank,
        where=site(facts, rows.loader),
        evidence={
            "subject": str(rows.loader),
            "features_share": share,
            "training_mean": means[0],
            "training_std": means[1],
            "evaluation_mean": means[2],
            "evaluation_std": means[3],
        },
    )


def _average(values: list[float | None]) -> float:
    good = [value for value in values if value is not None]
    return sum(good) / max(len(good), 1)
