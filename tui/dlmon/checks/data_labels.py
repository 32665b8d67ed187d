"""Labels that cannot be learned from: one class only, a few of one, cut to whole numbers, told by the input."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.data_facts import in_repeated_stage, loader_rows, made_at, site
from dlmon.checks.facts import Lacking, backward_site, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events_data import Truncated

CONSTANT_BATCHES = 2
GRAPHS = 4  # sampled losses, the first and the last of a run among them
CONSTANT_ROWS = 50  # with two classes in equal parts, 50 in a row of one class come once in 10^15 runs
IMBALANCE = 10.0  # : 1
IMBALANCE_ROWS = 500
ROWS_OF_CLASS = 25  # on average: with many classes and few rows, uneven counts are chance
SAME = 1e-4  # relative, of means in float32 and float64
REGRESSION = ("MseLoss", "SmoothL1Loss", "HuberLoss", "L1Loss")


@check("data.label_constant", needs="class labels of 50 samples in 2 batches that a loss was computed with")
def label_constant(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if in_repeated_stage(facts):
        raise Lacking("this stage gives batches of its own")
    classes = _classes_in_losses(facts)
    if not classes:
        raise Lacking("no loss with class labels was seen")
    if not any(rows.trained for rows in facts.further.get("loader_rows", ())):
        yield from _constant_by_hand(facts, classes)
        return
    for rows in loader_rows(facts):
        counted = sum(rows.labels.values())
        if not rows.trained or rows.batches < CONSTANT_BATCHES or counted < CONSTANT_ROWS or len(rows.labels) != 1:
            continue
        (label,) = rows.labels
        if classes == {label}:  # else the loss has other labels than the loader's
            yield Finding(
                id="data.label_constant",
                severity=WARNING,
                title=f"all {counted:,} labels seen so far are {label}: there is nothing to tell apart",
                advice=(
                    "Look at how the labels are made and at the order of the data: a sorted data set needs "
                    "shuffle=True."
                ),
                step=0,
                rank=facts.rank,
                where=site(facts, rows.loader),
                evidence={
                    "subject": made_at(facts, rows.loader),
                    "label": label,
                    "samples": counted,
                    "batches": rows.batches,
                },
            )


def _classes_in_losses(facts: RankFacts) -> set[str]:
    return {
        label
        for graph in facts.graphs
        for loss in graph.losses
        if loss.op.startswith("NllLoss") and (loss.classes or 0) > 1
        for label in loss.labels
        if label != str(loss.ignore_index)
    }


def _constant_by_hand(facts: RankFacts, classes: set[str]) -> Iterator[Finding]:
    """Batches that no loader gave: the labels of the sampled losses."""
    read = [graph for graph in facts.graphs if any(loss.labels for loss in graph.losses)]
    counted = sum(sum(loss.labels.values()) for graph in read for loss in graph.losses)
    if len(classes) != 1 or len(facts.series) != 1 or len(read) < GRAPHS or counted < CONSTANT_ROWS:
        return
    (label,) = classes
    yield Finding(
        id="data.label_constant",
        severity=WARNING,
        title=f"all {counted:,} labels of {len(read)} steps looked at are {label}: there is nothing to tell apart",
        advice="Look at how the labels are made and at the order of the data: sorted data have to be shuffled.",
        step=read[0].step,
        rank=facts.rank,
        where=backward_site(facts, read[0].series),
        evidence={"subject": "losses", "label": label, "samples": counted, "steps": [graph.step for graph in read]},
    )


@check("data.class_imbalance", needs="class labels of 500 samples")
def class_imbalance(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    losses = [loss for graph in facts.graphs for loss in graph.losses if loss.op.startswith("NllLoss")]
    if not losses:
        raise Lacking("no loss with class labels was seen")
    judged = False
    for rows in loader_rows(facts):
        counted = sum(rows.labels.values())
        if not rows.trained or len(rows.labels) < 2 or counted < max(IMBALANCE_ROWS, ROWS_OF_CLASS * len(rows.labels)):
            continue
        judged = True
        most, least = max(rows.labels.values()), min(rows.labels.values())
        if most > IMBALANCE * least > 0 and _are_classes(rows.labels, losses):
            frequent = max(rows.labels, key=lambda label: rows.labels[label])
            rare = min(rows.labels, key=lambda label: rows.labels[label])
            yield Finding(
                id="data.class_imbalance",
                severity=HINT,
                title=(
                    f"class {frequent} has {most:,} of {counted:,} samples and class {rare} {least:,} "
                    f"({most / least:.0f} : 1): always saying {frequent} is right in {most / counted:.0%}"
                ),
                advice=(
                    "Judge by the accuracy of each class; weight the loss (weight=…) or draw the classes evenly "
                    "(WeightedRandomSampler)."
                ),
                step=0,
                rank=facts.rank,
                where=site(facts, rows.loader),
                evidence={
                    "subject": made_at(facts, rows.loader),
                    "ratio": most / least,
                    "samples": counted,
                    "labels": rows.labels,
                },
            )
    if not judged:
        raise Lacking("fewer than 500 labelled samples were seen")


def _are_classes(labels: dict[str, int], losses: list[events.LossFacts]) -> bool:
    """Whether a loader's whole numbers are what the losses, none of them weighted, take for classes."""
    known = {label for loss in losses for label in loss.labels}
    widest = max((loss.classes or 0 for loss in losses), default=0)
    classes = all(label.isdigit() and int(label) < widest for label in labels)
    return classes and known <= set(labels) and not any(loss.weighted for loss in losses)


@check("data.target_truncated", needs="targets of a loss, beside the loader's")
def target_truncated(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    losses = [(graph, loss) for graph in facts.graphs for loss in graph.losses if loss.target is not None]
    if not losses:
        raise Lacking("no loss with a target was seen")
    for cut in facts.further.get("truncated", ()):
        graph = next((graph for graph, loss in losses if graph.step == cut.step and _is_cut(cut, loss)), None)
        if graph is not None:
            yield _truncated(facts, cut, graph)
            return
    yield from _constant_target(facts, losses)


def _is_cut(cut: Truncated, loss: events.LossFacts) -> bool:
    target = loss.target
    if target is None or target.mean is None or cut.cut_mean is None:
        return False
    if not (target.integers or target.dtype.startswith("int")):
        return False
    scale = max(abs(cut.cut_mean), 1.0)
    pairs = ((target.mean, cut.cut_mean), (target.min, cut.cut_min), (target.max, cut.cut_max))
    return all(one is not None and other is not None and abs(one - other) <= SAME * scale for one, other in pairs)


def _truncated(facts: RankFacts, cut: Truncated, graph: events.Graph) -> Finding:
    low, high = cut.facts.min or 0.0, cut.facts.max or 0.0
    return Finding(
        id="data.target_truncated",
        severity=WARNING,
        title=(
            f"the targets {low:.3g} … {high:.3g} are cut to whole numbers {cut.cut_min:.0f} … {cut.cut_max:.0f} "
            "before the loss"
        ),
        advice="Keep regression targets as float32: no .long(), .int() or integer dtype on their way to the loss.",
        step=cut.step,
        rank=facts.rank,
        where=backward_site(facts, graph.series),
        evidence={
            "subject": str(cut.loader),
            "path": cut.path,
            "mean": cut.facts.mean,
            "mean_after": cut.cut_mean,
            "min": low,
            "max": high,
        },
    )


def _constant_target(facts: RankFacts, losses: list[tuple[events.Graph, events.LossFacts]]) -> Iterator[Finding]:
    """A regression whose target is one number throughout. (Several losses are a GAN's, whose targets are.)"""
    if len(losses) < 2 or len(facts.series) != 1 or not all(loss.op.startswith(REGRESSION) for _, loss in losses):
        return
    values = {(loss.target.min, loss.target.max) for _, loss in losses if loss.target is not None}
    low, high = next(iter(values))
    labelled = [
        rows for rows in loader_rows(facts)
        if rows.trained and len(rows.labels) == 1 and sum(rows.labels.values()) >= CONSTANT_ROWS
    ]  # fmt: skip
    if len(values) == 1 and low is not None and low == high and labelled and str(int(low)) in labelled[0].labels:
        graph = losses[0][0]
        yield Finding(
            id="data.target_truncated",
            severity=WARNING,
            title=f"every regression target is {low:.3g}, in {sum(labelled[0].labels.values()):,} samples",
            advice="Look at how the targets are read: an integer dtype cuts fractions off, and a scale of 0 … 1 to 0.",
            step=graph.step,
            rank=facts.rank,
            where=site(facts, labelled[0].loader),
            evidence={"subject": "constant", "value": low, "samples": sum(labelled[0].labels.values())},
        )


@check("data.target_in_input", needs="256 labelled rows of a flat input")
def target_in_input(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    judged = [rows for rows in loader_rows(facts) if rows.trained and rows.looked_for_copies]
    if not judged:
        raise Lacking("no flat input with 256 labelled rows was seen")
    for rows in judged:
        if rows.copies:
            yield Finding(
                id="data.target_in_input",
                severity=WARNING,
                title=(
                    f"column {rows.copies[0]} of the input is the label itself: each class has one value there, in "
                    f"{rows.looked_for_copies:,} of {rows.looked_for_copies:,} samples"
                ),
                advice="Drop the target's column (and what was computed from it) from the inputs.",
                step=0,
                rank=facts.rank,
                where=site(facts, rows.loader),
                evidence={
                    "subject": made_at(facts, rows.loader),
                    "columns": rows.copies,
                    "rows": rows.looked_for_copies,
                },
            )
