"""Clipping, scaling, schedules and accumulation: what the order of calls gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dlmon_probes import events, events_loop
from tests.builders import START, Story, at, tensor, told

SHAPES = {"fc1.weight": [32, 12], "fc2.weight": [4, 32]}


def run(calls: Sequence[str], steps: int = 5, **model: Any) -> Story:
    story = Story().model(SHAPES, **model).optimizer().series().losses([1.0] * steps)
    for step in range(steps):
        story.order(step, [None], 0.5, 0.5, calls=calls)
    return story


@pytest.mark.parametrize(
    "calls", [["clip", "zero_grad", "backward", "step"], ["zero_grad", "clip", "backward", "step"]]
)
def test_clipping_that_changes_nothing(calls: list[str]) -> None:
    assert told(run(calls), "loop.clip_misplaced").severity == "warning"


@pytest.mark.parametrize(
    "calls",
    [
        ["zero_grad", "backward", "clip", "step"],
        ["backward", "clip", "backward", "clip", "step"],
        ["step", "zero_grad", "backward", "clip"],
        ["zero_grad", "backward", "step"],
    ],
)
def test_clipping_in_its_place(calls: list[str]) -> None:
    assert "loop.clip_misplaced" not in run(calls).ids()


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        (["scale", "backward", "clip", "scaled_step", "unscale", "step"], "clipped"),
        (["scale", "backward", "step"], "steps on gradients"),
        (["backward", "scaled_step", "unscale", "step"], "never multiplied"),
    ],
)
def test_a_scaler_used_half_way(calls: list[str], words: str) -> None:
    assert words in told(run(calls), "loop.amp_unscaled").title


@pytest.mark.parametrize(
    "calls",
    [
        ["scale", "backward", "unscale", "clip", "scaled_step", "step"],
        ["scale", "backward", "scaled_step", "unscale", "step"],
        ["scale", "backward", "scaled_step", "step"],  # a fused optimizer unscales by itself
        ["backward", "clip", "step"],
        ["backward", "unscale", "clip", "scaled_step", "step", "zero_grad", "scale"],  # several optimizers
    ],
)
def test_a_scaler_used_as_it_is_meant(calls: list[str]) -> None:
    assert "loop.amp_unscaled" not in run(calls).ids()


def test_float16_gradients_at_the_end_of_their_range() -> None:
    def half(norm: float, zeros: float) -> list[str]:
        story = run(["zero_grad", "backward", "step"])
        parameters = [events.Parameter(p, f"fc{p}.weight", [64, 64], "float16", "cpu", True, 4096, 0) for p in (0, 1)]
        story.add(events.Model(t=story.now, root=0, cls="Net", parameters=parameters))
        for step in range(6):
            row = {"norm": [norm, norm], "max_abs": [norm, norm]}
            story.add(
                events.Gradients(START + step, step, 0, [0, 1], zeros=[zeros] * 2, nonfinite=[0, 0], weight=[1.0] * 2,
                                 update=[1e-4] * 2, total=norm, **row)
            )  # fmt: skip
        return story.ids()

    assert "amp.underflow" in half(1e-5, 0.6)
    assert "amp.underflow" not in half(1.0, 0.6)  # ReLUs: zeros beside gradients of ordinary size
    assert "amp.underflow" not in half(1e-5, 0.1)


def schedule(cls: str = "StepLR", **facts: Any) -> events_loop.Schedule:
    known = {"optimizer": 0, "calls": 4, "at": [1, 2, 3, 4], "last_at": 4, "where": at(30, "scheduler.step()"),
             "backwards_before": True, "lr": 0.1, "first_lr": 0.1} | facts  # fmt: skip
    return events_loop.Schedule(t=START + 800, step=known["last_at"], schedule=0, cls=cls, **known)


def test_a_scheduler_between_backward_and_step() -> None:
    late = run(["zero_grad", "backward", "schedule", "step"]).add(schedule())
    assert told(late, "loop.scheduler_order").where == at(30, "scheduler.step()")
    assert "loop.scheduler_order" not in run(["schedule", "zero_grad", "backward", "step"]).add(schedule()).ids()


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"at": [0, 30, 60], "backwards_before": False}, True),
        ({"at": [30, 60, 90]}, False),
        ({"at": [0, 0, 0, 30], "backwards_before": False}, False),  # brought forward after a resume
        ({"at": [0, 1, 2], "backwards_before": True}, False),  # the scaler skipped the first step
        ({"at": [0, 30, 60], "backwards_before": False, "explicit": True}, False),
        ({"at": [0, 30, 60], "backwards_before": False, "same_line": False}, False),
    ],
)
def test_a_scheduler_at_the_top_of_the_loop(facts: dict[str, Any], named: bool) -> None:
    story = run(["zero_grad", "backward", "step"]).add(schedule(**facts))
    assert ("loop.scheduler_order" in story.ids()) is named


def looped(length: int = 100, steps: int = 300) -> Story:
    loader = events.Loader(t=START, loader=0, dataset="TensorDataset", length=length, batch_size=16)
    return run(["zero_grad", "backward", "step"], steps=5).add(loader).losses([1.0] * (steps - 5))


def test_epochs_counted_in_batches() -> None:
    options = {"step_size": 30, "gamma": 0.1}
    per_batch = {"calls": 300, "last_at": 300, "options": options, "lr": 1e-11}
    assert "StepLR" in told(looped().add(schedule(**per_batch)), "loop.scheduler_period").title
    one_epoch = {"calls": 100, "last_at": 100, "options": options, "lr": 1e-4}
    assert "loop.scheduler_period" not in looped().add(schedule(**one_epoch)).ids()
    slow = {"calls": 300, "last_at": 300, "options": {"step_size": 100, "gamma": 0.5}, "lr": 0.0125}
    assert "loop.scheduler_period" not in looped().add(schedule(**slow)).ids()


def test_batches_counted_in_epochs() -> None:
    rare = {"calls": 3, "last_at": 300, "options": {"total_steps": 300}, "at": [100, 200, 300]}
    assert "loop.scheduler_period" in looped().add(schedule("OneCycleLR", **rare)).exit().ids()
    assert "loop.scheduler_period" not in looped().add(schedule("OneCycleLR", **rare)).exit(130, "SIGINT").ids()
    epochs = rare | {"options": {"T_max": 50}}
    assert "loop.scheduler_period" not in looped().add(schedule("CosineAnnealingLR", **epochs)).exit().ids()


@pytest.mark.parametrize(
    ("text", "mode", "named"),
    [
        ("scheduler.step(val_acc)", "min", True),
        ("scheduler.step(val_loss)", "max", True),
        ("scheduler.step(val_acc)", "max", False),
        ("scheduler.step(1 - accuracy)", "min", False),
        ("scheduler.step(-accuracy)", "min", False),
        ("scheduler.step(metric)", "min", False),
        ("scheduler.step(accuracy_loss)", "min", False),
    ],
)
def test_a_plateau_of_the_wrong_kind(text: str, mode: str, named: bool) -> None:
    facts = {"options": {"mode": mode}, "metrics": [0.5, 0.6, 0.7], "where": at(30, text)}
    assert ("loop.scheduler_period" in looped().add(schedule("ReduceLROnPlateau", **facts)).ids()) is named


def accumulated(
    before: list[float | None], root: str = "NllLossBackward0", samples: int = 64, cls: str = "SGD"
) -> Story:
    story = Story().model(SHAPES).optimizer().series()
    story.events[-2] = events.Optimizer(t=START, index=0, cls=cls, groups=story.events[-2].groups)
    story.add(events.Loader(t=START, loader=0, dataset="D", length=40, batch_size=16))
    story.losses([1.0] * 6, micro=[4] * 6, samples=[samples] * 6)
    loss = events.LossFacts("NllLossBackward0", prediction=tensor([16, 4]), classes=4, reduction=1)
    nodes = [(root, [1], {})] if root == "NllLossBackward0" else [(root, [1], {}), ("NllLossBackward0", [], {})]
    story.graph(nodes, losses=[loss], reached=list(SHAPES))
    for step in range(4):
        story.order(step, before, 0.4, 0.4, calls=["backward", "backward", "backward", "backward", "step"])
    return story


GROWING: list[float | None] = [None, 0.1, 0.2, 0.3]


def test_batches_summed_into_one_step() -> None:
    assert told(accumulated(GROWING), "loop.accumulation_unscaled").severity == "warning"
    assert told(accumulated(GROWING, cls="AdamW"), "loop.accumulation_unscaled").severity == "hint"


def test_batches_averaged_or_one_batch_with_many_losses() -> None:
    assert "loop.accumulation_unscaled" not in accumulated(GROWING, "DivBackward0").ids()
    assert "loop.accumulation_unscaled" not in accumulated(GROWING, samples=16).ids()


def test_accumulated_gradients_thrown_away() -> None:
    finding = told(accumulated([None] * 4), "loop.accumulation_cleared")
    assert "3 of 4" in finding.title and "loop.accumulation_unscaled" not in accumulated([None] * 4).ids()
    assert "loop.accumulation_cleared" not in accumulated(GROWING).ids()


def test_two_optimizers_may_clear_each_other() -> None:
    assert "loop.accumulation_cleared" not in accumulated([None] * 4).optimizer(index=1).ids()
