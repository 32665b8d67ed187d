"""What smoke looked at in the first steps: data, labels, forward, loss, backward, step, clearing, mode.

The smoke list of a live run says what was seen; here it is judged, at the end of a run in which nothing more will come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dlmon import text
from dlmon.checks.facts import listed, parameters_of
from dlmon.checks.finding import HINT, Finding
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, UNKNOWN, Item
from dlmon.rehearsal.verdicts.labels import counts, label_losses
from dlmon.state.checklist import describe, first_graph
from dlmon.state.snapshot import ChecklistItem, RankFacts, RunSnapshot
from dlmon_probes import events

MOST_LABELS = 12  # listed one by one; more are told by their range
UNUSED = 0.1  # share of the weights without a gradient that models from a library usually have (poolers, other heads)
MOST_CLASSES = 100  # of more, two batches need not show every one
BY_CHANCE = 0.01  # that label 0 is missing among so many, were all classes equally frequent
TWO = 2  # steps without which nothing is known of what happens between steps


def first_items(snapshot: RunSnapshot, facts: RankFacts, findings: Iterable[Finding]) -> list[Item]:
    """In the order in which a training meets them. findings: those that stand."""
    live = {item.name: item for item in snapshot.smoke}
    found = list(findings)
    return [
        _data(facts, live, found),
        _labels(facts),
        _as_seen(live, "forward"),
        _loss(facts, live, found),
        _backward(snapshot, facts),
        _step(snapshot, facts),
        _clearing(snapshot, facts, found),
        _mode(facts, found),
    ]


def _as_seen(live: dict[str, ChecklistItem], name: str) -> Item:
    """The live list's word; what it still waited for will not come any more."""
    item = live.get(name)
    if item is None:
        return Item(name, UNKNOWN, "not seen")
    verdict = item.verdict if item.verdict in (PASS, FAIL) else UNKNOWN
    return Item(name, verdict, item.detail.replace(" yet", ""))


def _data(facts: RankFacts, live: dict[str, ChecklistItem], findings: list[Finding]) -> Item:
    item = _as_seen(live, "data")
    first = min(facts.batches, key=lambda batch: (batch.step, batch.t), default=None)
    structure = f" ({first.structure})" if first is not None and first.structure else ""
    broken = [named for batch in facts.batches for named in batch.tensors if named.facts.nonfinite]
    if not broken:
        return Item("data", item.verdict, item.detail + structure)
    # A finite loss means that the script masks them: the check then warns, and does not call it an error.
    finding = next((f for f in findings if f.id == "data.nan"), None)
    verdict = FAIL if finding is not None and finding.severity != HINT else INCONCLUSIVE
    return Item("data", verdict, f"{broken[0].path or 'batch'}: {describe(broken[0])}")


def _labels(facts: RankFacts) -> Item:
    rows = label_losses(facts)
    if not rows:
        return Item("labels", UNKNOWN, "no class labels were seen: a loss without classes, or its graph was not read")
    seen: dict[int, int] = {}
    for _, loss in rows:
        for label, count in counts(loss).items():
            seen[label] = seen.get(label, 0) + count
    classes = max((loss.classes or 0 for _, loss in rows), default=0)
    if not seen:
        return Item("labels", FAIL, f"every label is {rows[0][1].ignore_index}, which the loss ignores")
    outside = [label for label in seen if classes and not 0 <= label < classes]
    shown = _label_set(sorted(seen))
    if outside:
        return Item("labels", FAIL, f"{shown}: {_label_set(sorted(outside))} outside the {classes} classes")
    width = f" of {classes} classes" if classes else ""
    if len(seen) == 1 and sum(seen.values()) > 1 and classes > 1:
        return Item("labels", INCONCLUSIVE, f"only label {shown}{width} in the first batches: is the data shuffled?")
    many = sum(seen.values())
    if sorted(seen) == list(range(1, classes)) and classes <= MOST_CLASSES and (1 - 1 / classes) ** many < BY_CHANCE:
        return Item("labels", INCONCLUSIVE, f"labels {shown}{width}, 0 not among {many} of them: do they start at 1?")
    return Item("labels", PASS, f"labels {shown}{width}")


def _label_set(labels: list[int]) -> str:
    if len(labels) <= MOST_LABELS and labels != list(range(labels[0], labels[0] + len(labels))):
        return ", ".join(map(str, labels))
    if len(labels) <= 2:
        return ", ".join(map(str, labels))
    return f"{labels[0]} … {labels[-1]} ({len(labels)} different)"


def _loss(facts: RankFacts, live: dict[str, ChecklistItem], findings: list[Finding]) -> Item:
    item = _as_seen(live, "loss")
    graph = first_graph(facts.graphs)
    if graph is not None and graph.root_shape and math.prod(graph.root_shape) != 1:
        return Item("loss", INCONCLUSIVE, f"{item.detail}; backward from {text.shape(graph.root_shape)}, not a scalar")
    if any(f.id == "loss.nonfinite" for f in findings):
        return Item("loss", FAIL, item.detail if item.verdict == FAIL else f"{item.detail}, later not a number")
    far = next((f for f in findings if f.id == "loss.initial_value"), None)
    if far is not None and item.verdict == PASS:
        return Item("loss", INCONCLUSIVE if far.severity == HINT else FAIL, item.detail)
    return item


def _backward(snapshot: RunSnapshot, facts: RankFacts) -> Item:
    """Of the parameters that the optimizers hold: how many had a gradient at a step, and which never had one."""
    best: dict[int, events.Clearing] = {}
    for order in facts.orders:
        for clearing in order.clearing:
            if clearing.held and clearing.with_gradient >= best.get(clearing.optimizer, clearing).with_gradient:
                best[clearing.optimizer] = clearing
    held = sum(clearing.held for clearing in best.values())
    reached = sum(clearing.with_gradient for clearing in best.values())
    if not held:
        return _by_samples(snapshot, facts)
    line = f"gradients {reached} of {text.plural(held, 'parameter')}"
    if reached >= held:
        return Item("backward", PASS, line)
    if not reached:
        return Item("backward", FAIL, line + _where_they_went(facts, best))
    missing, share = _missing(facts)
    named = f"; none for {listed(missing)} ({text.percent(share)} of the weights)" if missing else ""
    return Item("backward", PASS if share < UNUSED else INCONCLUSIVE, line + named)


def _by_samples(snapshot: RunSnapshot, facts: RankFacts) -> Item:
    rows = [row for row in snapshot.parameters if row.samples]
    if not rows:
        return Item("backward", UNKNOWN, "no gradient was seen at an optimizer's step")
    present = sum(row.first_norm is not None or row.norm is not None for row in rows)
    missing, share = _missing(facts)
    named = f"; none for {listed(missing)}" if missing else ""
    verdict = PASS if present and share < UNUSED else INCONCLUSIVE if present else FAIL
    return Item("backward", verdict, f"gradients {present} of {text.plural(len(rows), 'parameter')}{named}")


def _missing(facts: RankFacts) -> tuple[list[str], float]:
    """Held parameters that no sampled step gave a gradient, and their share of the weights."""
    known = parameters_of(facts)
    seen, had = set(), set()
    for sample in facts.gradients:
        for p, norm in zip(sample.p, sample.norm, strict=False):
            seen.add(p)
            if norm is not None:
                had.add(p)
    missing = [known[p] for p in sorted(seen - had) if p in known and known[p].requires_grad]
    total = sum(known[p].numel for p in seen if p in known)
    return [p.name for p in missing], sum(p.numel for p in missing) / max(1, total)


def _where_they_went(facts: RankFacts, best: dict[int, events.Clearing]) -> str:
    cleared = next((c for c in best.values() if c.after and not c.at_step), None)
    if cleared is not None:
        return f": cleared between backward (norm {text.number(cleared.after)}) and step"
    known = parameters_of(facts)
    held = {p for optimizer in facts.optimizers for group in optimizer.groups for p in group.parameters}
    reached = [known[p].name for graph in facts.graphs for p in graph.reached if p in known and p not in held]
    left = list(dict.fromkeys(reached))
    return f": the loss reaches {listed(left)} instead, which no optimizer holds" if left else ""


def _step(snapshot: RunSnapshot, facts: RankFacts) -> Item:
    updates: dict[int, list[float]] = {}
    for sample in facts.gradients:
        for p, update in zip(sample.p, sample.update, strict=False):
            if update is not None:
                updates.setdefault(p, []).append(update)
    if not updates:
        return Item("step", UNKNOWN, "no weights were compared before and after a step")
    moved = sum(any(update != 0 for update in found) for found in updates.values())
    if moved:
        return Item("step", PASS, f"weights moved {moved} of {text.plural(len(updates), 'parameter')}")
    if all(not lr for lr in _rates(facts)):
        return Item("step", UNKNOWN, "no weight moved: the learning rate is 0 in these steps (a warm-up's start)")
    if snapshot.step < TWO or not any(norm for sample in facts.gradients for norm in sample.norm):
        return Item("step", UNKNOWN, f"no weight moved in {text.plural(snapshot.step, 'step')}")
    return Item("step", FAIL, f"no weight moved in {snapshot.step} steps, learning rate {text.setting(snapshot.lr)}")


def _rates(facts: RankFacts) -> list[float]:
    return [lr for lr in facts.rows.get("lr", ()) if lr is not None]


def _clearing(snapshot: RunSnapshot, facts: RankFacts, findings: list[Finding]) -> Item:
    for finding in findings:
        if finding.id in ("loop.no_zero_grad", "loop.zero_grad_after_backward"):
            return Item("clearing", FAIL, finding.title)
    later = [c for order in facts.orders for c in order.clearing if c.previous is not None and c.before]
    if not later:
        why = "needs two steps, there was one" if snapshot.step < TWO else "no two steps in a row were looked at"
        return Item("clearing", UNKNOWN, why)
    kept = [c for c in later if all(c.before)]
    if not kept:
        return Item("clearing", PASS, "gradients cleared between steps")
    # Three samples make a finding of it; fewer may be an accumulation that is still going on.
    line = f"gradients of the step before were still there at {len(kept)} of {len(later)} backward calls"
    return Item("clearing", INCONCLUSIVE if len(kept) == len(later) else PASS, line)


def _mode(facts: RankFacts, findings: list[Finding]) -> Item:
    """In training. What evaluation does is another item's."""
    finding = next((f for f in findings if f.id == "loop.eval_mode_in_training"), None)
    if finding is not None and finding.severity != HINT:
        return Item("mode", FAIL, finding.title)
    if not facts.modes:
        modules = any(model.modules for model in facts.models)
        seen = "no dropout or batch norm: train and eval mode are the same"
        return Item("mode", PASS if modules else UNKNOWN, seen if modules else "no modules were seen at a backward")
    last = facts.modes[-1]
    off = [mode for mode in last.modules if mode.trains and not mode.training]
    if not off:
        kinds = f"{text.plural(len(last.modules), 'dropout or batch norm module')} in train mode"
        return Item("mode", PASS, kinds if last.modules else "no dropout or batch norm")
    names = listed([mode.name or mode.cls for mode in off])
    line = f"{len(off)} of {len(last.modules)} in eval mode at the backward: {names}"
    # A finding says when it is wrong; frozen batch norm is a custom.
    return Item("mode", PASS if finding is not None else INCONCLUSIVE, line)
