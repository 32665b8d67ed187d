from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlmon_probes import events, events_loop
from tests.builders import START, Story, at, told

SHAPES = {"fc1.weight": [32, 12], "fc1.bias": [32], "fc2.weight": [4, 32], "fc2.bias": [4]}


def story(**model: Any) -> Story:
    return Story().model(SHAPES, **model).series()


def idle(*p: int, line: int = 5) -> events_loop.IdleOptimizer:
    return events_loop.IdleOptimizer("Adam", list(p), at(line, "opt_G = Adam(G.parameters())"))


def totals(step: int, waiting: int, *rows: events_loop.IdleOptimizer, moved: bool | None = False) -> Any:
    return events_loop.LoopTotals(START + 900, step, waiting, 1, list(rows), moved, ended=True)


def test_backwards_without_a_step() -> None:
    finding = told(story().add(totals(0, 60, idle(0, 1, 2, 3))).exit(), "loop.no_step")
    assert finding.severity == "error" and "opt_G" in finding.title and "60 backwards" in finding.title


def test_accumulation_of_sixty_four_is_waited_for() -> None:
    assert "loop.no_step" not in story().add(totals(0, 64, idle(0, 1))).ids()


def test_weights_moved_by_hand() -> None:
    assert "loop.no_step" not in story().add(totals(0, 60, idle(0, 1), moved=True)).exit().ids()


def test_an_optimizer_kept_for_a_later_phase() -> None:
    run = story().optimizer().losses([1.0] * 40).graph([("X", [], {})], reached=["fc1.weight"])
    assert "loop.no_step" not in run.add(totals(40, 0, idle(0, 1, 2, 3))).exit().ids()


def stepping(norm: float | None, calls: list[str]) -> Story:
    run = story().optimizer().losses([1.0] * 6)
    for step in range(4):
        run.order(step, [], None, None, calls=calls).sample(step, norm)
    return run


def test_steps_on_nothing() -> None:
    assert told(stepping(None, ["zero_grad", "step"]), "loop.step_without_backward").severity == "error"


def test_gradients_put_there_by_hand() -> None:
    run = story().optimizer()
    for step in range(4):
        run.order(step, [], None, None, calls=["zero_grad", "step"]).sample(step, 0.1 * (step + 1))
    assert "loop.step_without_backward" not in run.ids()


def test_a_closure_runs_its_backward_inside_the_step() -> None:
    assert "loop.step_without_backward" not in stepping(0.1, ["step", "backward"]).ids()


def leaf(run: Story, with_gradient: int, **facts: Any) -> Story:
    run.optimizer().losses([1.0] * 4).graph([("AccumulateGrad", [], {})], **facts)
    for step in range(4):
        run.order(step, [None], None, None, with_gradient=with_gradient)
    return run


def test_a_loss_without_history() -> None:
    finding = told(leaf(story(), 0, has_graph=False), "loop.loss_is_leaf")
    assert finding.where is not None and finding.where.line == 20
    assert "loop.params_not_in_optimizer" not in leaf(story(), 0, has_graph=False).ids()


def test_rewrapped_losses_that_are_averaged() -> None:
    assert "loop.loss_is_leaf" in leaf(story(), 0, loose=1, ops={"MeanBackward0": 1, "AccumulateGrad": 1}).ids()


def test_an_input_that_is_optimised_has_a_network_behind_it() -> None:
    assert "loop.loss_is_leaf" not in leaf(story(), 0, loose=1, ops={"AddmmBackward0": 2, "AccumulateGrad": 1}).ids()


def test_a_second_backward_of_a_leaf_beside_a_real_one() -> None:
    assert "loop.loss_is_leaf" not in leaf(story(), 2, has_graph=False).ids()


def remade(gap: int, options: dict[str, Any], lines: int = 1) -> Story:
    run = story().losses([1.0] * 40)
    for i in range(6):
        run.optimizer(index=i, line=5 + i % lines)
        made: events.Optimizer = run.events[-1]
        group = replace(made.groups[0], options=options)
        run.events[-1] = replace(made, step=gap * i, groups=[group])
    return run


def test_a_new_optimizer_for_every_step() -> None:
    finding = told(remade(1, {"lr": 0.1, "momentum": 0.9}), "loop.optimizer_recreated")
    assert finding.severity == "warning" and "momenta" in finding.title
    assert finding.where is not None and finding.where.line == 5


def test_plain_sgd_forgets_nothing() -> None:
    assert told(remade(1, {"lr": 0.1}), "loop.optimizer_recreated").severity == "hint"


def test_inner_loops_and_many_optimizers_are_none() -> None:
    assert "loop.optimizer_recreated" not in remade(4, {"lr": 0.1, "momentum": 0.9}).ids()
    assert "loop.optimizer_recreated" not in remade(1, {"lr": 0.1, "momentum": 0.9}, lines=6).ids()


def twice(totals: list[float], micro: list[int]) -> Story:
    """Steps with and without a backward, each sampled, with these gradient norms."""
    story = Story().model({"w": [2, 2]}).optimizer().series()
    for step, (total, count) in enumerate(zip(totals, micro, strict=True)):
        story.sample(step, total)
        calls = ("zero_grad", "backward", "step") if count else ("step",)
        story.order(step, [None] if count else [], total, total, calls=calls)
    return story.losses([1.0 if count else None for count in micro], micro=micro)


def test_a_second_step_on_the_same_gradient() -> None:
    finding = told(twice([0.4, 0.4, 0.3, 0.3], [1, 0, 1, 0]), "loop.step_without_backward")
    assert finding.severity == "warning" and "2 of the last 4 steps" in finding.title
    assert finding.where is not None and finding.where.text == "step()"


def test_steps_on_new_gradients_need_no_backward_that_is_seen() -> None:
    for healthy in (twice([0.4, 0.5, 0.3, 0.2], [1, 0, 1, 0]), twice([0.4, 0.4, 0.3, 0.2, 0.1], [1, 0, 1, 1, 1])):
        assert "loop.step_without_backward" not in healthy.ids()
