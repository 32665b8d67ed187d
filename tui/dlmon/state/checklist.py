"""The smoke list, ticked from the first steps of a run: what was seen, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dlmon.state.expected_loss import Expectation, expected_loss
from dlmon.state.snapshot import ChecklistItem, EvaluationView, RankFacts
from dlmon_probes import events

PASS, FAIL, WAITING, UNKNOWN = "pass", "fail", "waiting", "unknown"
MOST_TENSORS = 4
FEW = 2  # samples without any change that may be a warm-up from a learning rate of zero
FAR = 2.0  # × the expected first loss: beyond it the line says so; whether it is wrong is for the checks


def checklist(facts: RankFacts | None, step: int, evaluations: Sequence[EvaluationView]) -> tuple[ChecklistItem, ...]:
    """In the order in which a training meets them."""
    if facts is None:
        facts = RankFacts(rank=0)
    return (
        _data(facts, step),
        _forward(facts, step),
        _loss(facts, step),
        _backward(facts),
        _clearing(facts),
        _update(facts),
        _mode(facts, step),
        _evaluation(evaluations),
    )


def _data(facts: RankFacts, step: int) -> ChecklistItem:
    batch = _training_batch(facts.batches)
    if batch is None:
        if step:
            return ChecklistItem("data", UNKNOWN, "no batch was seen: the script has no DataLoader")
        return ChecklistItem("data", WAITING, "first batch not seen yet")
    tensors = batch.tensors[:MOST_TENSORS]
    bad = [named for named in tensors if named.facts.nonfinite]
    text = "; ".join(describe(named) for named in tensors) or "a batch without tensors"
    return ChecklistItem("data", FAIL if bad else PASS, f"batch {text}" if tensors else text)


def _training_batch(batches: Iterable[events.Batch]) -> events.Batch | None:
    return min(batches, key=lambda batch: (batch.step, batch.t), default=None)


def describe(named: events.NamedTensor) -> str:
    """ "32×1×16×16 float32 0 … 1"."""
    facts = named.facts
    text = f"{shape_text(facts.shape)} {facts.dtype}"
    if facts.min is not None and facts.max is not None:
        text += f" {facts.min:.3g} … {facts.max:.3g}"
    if facts.nonfinite:
        text += f", {facts.nonfinite:.3%} NaN or infinite"
    return text


def shape_text(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape) if shape else "scalar"


def _forward(facts: RankFacts, step: int) -> ChecklistItem:
    trace = facts.first_activations
    root = _root_call(trace) if trace else None
    shape = root.outputs[0] if root and root.outputs else None
    if shape is None:
        prediction = next((loss.prediction for graph in facts.graphs for loss in graph.losses if loss.prediction), None)
        shape = prediction.shape if prediction else None
    if shape is None:
        if step:
            return ChecklistItem("forward", UNKNOWN, "the output's shape was not seen")
        return ChecklistItem("forward", WAITING, "first forward not seen yet")
    output = root.output if root else None
    bad = bool(output and output.nonfinite)
    text = f"output {shape_text(shape)}" + (", NaN or infinite in it" if bad else "")
    return ChecklistItem("forward", FAIL if bad else PASS, text)


def _root_call(trace: events.Activations) -> events.Activation | None:
    """The outermost module's call: calls are listed as they begin. Where no module encloses others, the last one."""
    shaped = [call for call in trace.modules if call.outputs and call.outputs[0]]
    return next((call for call in shaped if not call.leaf), shaped[-1] if shaped else None)


def _loss(facts: RankFacts, step: int) -> ChecklistItem:
    graph = first_graph(facts.graphs)
    if graph is None or graph.value is None:
        if step:
            return ChecklistItem("loss", UNKNOWN, "the first loss was not seen")
        return ChecklistItem("loss", WAITING, "first loss not seen yet")
    if not math.isfinite(graph.value):
        return ChecklistItem("loss", FAIL, f"first loss is {graph.value}")
    if not graph.has_graph:
        return ChecklistItem("loss", FAIL, "the first loss has no history to go back through")
    expected = expected_loss(graph)
    text = f"first loss {graph.value:.4g}"
    return ChecklistItem("loss", PASS, text + _against(graph.value, expected))


def _against(value: float, expected: Expectation | None) -> str:
    if expected is None:
        return ""
    far = ": far above" if value > FAR * expected.value + 1 else ""
    return f", expected {expected.text}{far}"


def first_graph(graphs: Sequence[events.Graph]) -> events.Graph | None:
    return min(graphs, key=lambda graph: (graph.step, graph.t), default=None)


def _backward(facts: RankFacts) -> ChecklistItem:
    best = max(
        (clearing for order in facts.orders for clearing in order.clearing if clearing.held),
        key=lambda clearing: clearing.with_gradient,
        default=None,
    )
    if best is not None:
        verdict = PASS if best.with_gradient >= best.held else (UNKNOWN if best.with_gradient else FAIL)
        return ChecklistItem("backward", verdict, f"gradients {best.with_gradient} of {best.held}")
    if facts.gradients:
        sample = facts.gradients[-1]
        present = sum(norm is not None for norm in sample.norm)
        return ChecklistItem("backward", PASS if present else FAIL, f"gradients {present} of {len(sample.p)}")
    return ChecklistItem("backward", WAITING, "no gradient seen yet")


def _clearing(facts: RankFacts) -> ChecklistItem:
    later = [clearing for order in facts.orders for clearing in order.clearing if clearing.previous is not None]
    if not later:
        return ChecklistItem("clearing", WAITING, "needs two sampled steps")
    kept = sum(bool(c.before) and all(before for before in c.before) for c in later)
    if kept == len(later):
        return ChecklistItem("clearing", FAIL, f"gradients kept from step to step at {kept} of {len(later)} samples")
    return ChecklistItem("clearing", PASS, "gradients cleared between steps")


def _update(facts: RankFacts) -> ChecklistItem:
    samples = [sample for sample in facts.gradients if any(update is not None for update in sample.update)]
    if not samples:
        return ChecklistItem("step", WAITING, "no update seen yet")
    updates = _updates(samples)
    moved, total = sum(any(ratio > 0 for ratio in ratios) for ratios in updates.values()), len(updates)
    if not moved and len(samples) > FEW:
        return ChecklistItem("step", FAIL, f"no weight moved in {len(samples)} samples")
    if not moved:
        return ChecklistItem("step", WAITING, f"no weight moved yet in {len(samples)} samples")
    return ChecklistItem("step", PASS, f"weights moved {moved} of {total}")


def _updates(samples: Iterable[events.Gradients]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for sample in samples:
        for p, update in zip(sample.p, sample.update, strict=False):
            if update is not None:
                found.setdefault(p, []).append(update)
    return found


def _mode(facts: RankFacts, step: int) -> ChecklistItem:
    if not facts.modes:
        if any(model.modules for model in facts.models) and step:
            return ChecklistItem("mode", PASS, "no dropout or batch norm: train and eval mode are the same")
        return ChecklistItem("mode", UNKNOWN if step else WAITING, "no dropout or batch norm seen")
    last = facts.modes[-1]
    if not last.modules:
        return ChecklistItem("mode", PASS, "no dropout or batch norm")
    off = [mode for mode in last.modules if mode.trains and not mode.training]
    if off:
        return ChecklistItem(
            "mode", FAIL, f"{len(off)} of {len(last.modules)} in eval mode: {off[0].name or off[0].cls}"
        )
    return ChecklistItem("mode", PASS, f"{len(last.modules)} mode-dependent modules in train mode")


def _evaluation(evaluations: Sequence[EvaluationView]) -> ChecklistItem:
    if not evaluations:
        return ChecklistItem("evaluation", WAITING, "first evaluation pass not seen yet")
    last = evaluations[-1].event
    parts = [f"{last.batches} batches"]
    if last.loss is not None:
        parts.append(f"loss {last.loss:.4g}")
    if last.accuracy is not None:
        parts.append(f"accuracy {last.accuracy:.1%}")
    return ChecklistItem("evaluation", PASS, ", ".join(parts))
