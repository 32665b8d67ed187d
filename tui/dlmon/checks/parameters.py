"""Parameters that no optimizer moves."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import Lacking, backward_site, holders, leader, listed, parameters_of
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events

STEPS = 10  # further optimizers show up at their first step: a GAN's critic may go first several times
SAMPLES = 3  # without a single gradient in anything that an optimizer holds
FEATURE_EXTRACTION = 0.5  # share of elements: a head trained on features that were left as they are, on purpose


@check(
    "loop.params_not_in_optimizer",
    needs="an autograd graph, the model's parameters and an optimizer that stepped, 10 steps",
    explains=("grads.none",),
)
def params_not_in_optimizer(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.optimizers or not facts.models or not facts.graphs:
        raise Lacking("no optimizer, model or autograd graph was seen yet")
    early = snapshot.step < STEPS
    if early and not snapshot.over:
        raise Lacking(f"fewer than {STEPS} steps yet")
    known, held = parameters_of(facts), holders(facts)
    reached = {p for graph in facts.graphs for p in graph.reached if p in known and known[p].requires_grad}
    if not reached:
        yield from _nothing_reached(facts)
        return
    left = [known[p] for p in sorted(reached) if p not in held]
    if left:
        stale = [known[p] for p in sorted(held) if p in known and known[p].requires_grad and p not in reached]
        finding = _finding(facts, left, [known[p] for p in sorted(reached)], stale, bool(reached & held.keys()))
        if early and finding.severity != ERROR:  # another optimizer may have had its turn yet to come
            raise Lacking(f"the run was over after fewer than {STEPS} steps")
        yield finding


def _nothing_reached(facts: RankFacts) -> Iterator[Finding]:
    """The loss goes back to parameters that are in no known model, and to none that an optimizer holds."""
    loose = max((graph.loose for graph in facts.graphs), default=0)
    counts = [clearing for order in facts.orders for clearing in order.clearing if clearing.held]
    if not loose or len(counts) < SAMPLES or any(clearing.with_gradient for clearing in counts):
        raise Lacking("the graph shows no parameters")
    held = counts[-1].held
    first = facts.optimizers[0]
    yield Finding(
        id="loop.params_not_in_optimizer",
        severity=ERROR,
        title=(
            f"nothing can learn: the loss reaches {loose} tensors that no optimizer holds, and none of the {held} "
            f"that {first.cls} holds"
        ),
        advice="Make the optimizer after the last change to the model: a layer replaced later is not in it.",
        step=0,
        rank=facts.rank,
        where=first.where or backward_site(facts),
        evidence={"reached": loose, "held": held, "with_gradient": 0, "samples": len(counts)},
    )


def _finding(
    facts: RankFacts,
    left: list[events.Parameter],
    reached: list[events.Parameter],
    stale: list[events.Parameter],
    some_held: bool,
) -> Finding:
    share = sum(p.numel for p in left) / max(1, sum(p.numel for p in reached))
    modules = list(dict.fromkeys(p.name.rpartition(".")[0] or p.name for p in left))
    first = facts.optimizers[0]
    instead = f"; it holds {listed([p.name for p in stale])} instead, which the loss does not reach" if stale else ""
    return Finding(
        id="loop.params_not_in_optimizer",
        severity=_severity(left, reached, stale, share, some_held),
        title=(
            f"{len(left)} of {len(reached)} parameters that the loss reaches are in no optimizer and stay as they are: "
            f"{listed(modules)}"
        ),
        advice=(
            "Keep layers in a ModuleList, not in a plain list; make the optimizer after the last change to the model, "
            f"and give it model.parameters(){instead}."
        ),
        step=0,
        rank=facts.rank,
        where=first.where or backward_site(facts),
        evidence={
            "parameters": [p.name for p in left[:20]],
            "share": share,
            "held_but_not_reached": [p.name for p in stale[:20]],
        },
    )


def _severity(
    left: list[events.Parameter],
    reached: list[events.Parameter],
    stale: list[events.Parameter],
    share: float,
    some_held: bool,
) -> str:
    if not some_held or (stale and reached[-1] in left):
        return ERROR  # nothing learns, or the head was replaced after the optimizer was made
    if share > FEATURE_EXTRACTION and reached[0] in left and reached[-1] not in left:
        return HINT  # only the head is trained: usual, though gradients for the rest are computed in vain
    return WARNING
