"""Models whose output does not depend on their input, and samples of a batch that depend on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.data_scale import shape_layout
from dlmon.checks.facts import Lacking, finite, leader, listed
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.model_units import layer_site
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes.events_model import ExtraForward

UNCHANGED = 1e-6  # of the largest output: float32 keeps about seven digits
ORDERED = 1e-3  # samples in another order come out in that order up to this: half precision keeps three digits
SHARE = 0.25  # of the trainable numbers: a generator beside its discriminator is one of two models, a gate is none


@check("data.input_ignored", needs="smoke: the forward of the second step run again with changed inputs")
def input_ignored(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    seen: Sequence[ExtraForward] = facts.further.get("extra_forward", ())
    if not seen:
        raise Lacking("no forward was run again: smoke does so after the second step")
    measured = [told for told in seen if not told.trouble]
    if not measured:
        raise Lacking(f"{seen[0].cls} could not be run again: {seen[0].trouble}")
    layout = _told_by_layout(snapshot)
    for told in measured:
        if told.share < SHARE:
            continue
        if _ignores(told):
            yield _ignored(facts, told)
        elif told.reached and told.judged_rows and not told.statistics and not layout:
            yield _mixed(facts, told)


def _told_by_layout(snapshot: RunSnapshot) -> bool:
    """It says more about the same mistake."""
    try:
        return any(True for _ in shape_layout(snapshot))
    except Lacking:
        return False


def _ignores(told: ExtraForward) -> bool:
    changes = finite([told.zeroed, told.rolled])
    if not changes or told.zero_weights or max(changes) > UNCHANGED:
        return False
    return told.zeroed is None or not told.gradient


def _ignored(facts: RankFacts, told: ExtraForward) -> Finding:
    tried = [
        what for value, what in ((told.zeroed, "set to zero"), (told.rolled, "given to other samples"))
        if value is not None
    ]  # fmt: skip
    return Finding(
        id="data.input_ignored",
        severity=ERROR,
        title=f"{told.cls} ignores its input: its output is the same when the inputs are {' or '.join(tried)}",
        advice=(
            "Look in its forward for a variable that is overwritten, a layer that gets the wrong one, "
            "or a scale that makes the input vanish."
        ),
        step=told.step,
        rank=facts.rank,
        where=layer_site(facts),
        evidence={
            "subject": told.module or told.cls,
            "zeroed": told.zeroed,
            "rolled": told.rolled,
            "gradient": told.gradient,
        },
    )


def _mixed(facts: RankFacts, told: ExtraForward) -> Finding:
    loader = None if told.loader is None else facts.loaders.get(told.loader)
    ordered = min(finite([told.order_roll, told.order_flip]), default=0.0) <= ORDERED
    in_turn = loader is None or loader.sampler == "SequentialSampler"  # the rows may be a course of time
    severity = WARNING if (told.time_first or not ordered) and not in_turn else HINT
    return Finding(
        id="data.input_ignored",
        severity=severity,
        title=(
            f"{told.cls} mixes the samples of a batch: in eval mode, one sample's output depends on "
            f"{told.reached} of the {(told.rows or 1) - 1} others{_how(told, ordered)}"
        ),
        advice=_advice(told, ordered),
        step=told.step,
        rank=facts.rank,
        where=layer_site(facts),
        evidence={
            "subject": f"rows of {told.module or told.cls}",
            "rows": told.rows,
            "reached": told.reached,
            "order_roll": told.order_roll,
            "order_flip": told.order_flip,
            "time_first": list(told.time_first),
        },
    )


def _how(told: ExtraForward, ordered: bool) -> str:
    if told.time_first:
        return f"; {listed(told.time_first)} takes the batch for the time (batch_first=False)"
    return "" if ordered else ", and on its place in the batch"


def _advice(told: ExtraForward, ordered: bool) -> str:
    if told.time_first:
        return "Make the layer with batch_first=True, or transpose its input to time × batch × features."
    if ordered:
        return "If no comparison within the batch is meant, look for a mean, softmax or attention over dimension 0."
    return "Look for view or reshape where permute or transpose is meant: they do not keep samples together."
