from __future__ import annotations

from tests.builders import Story, told


def story() -> Story:
    return Story().model({"fc1.weight": [4, 8], "fc1.bias": [4]}).optimizer().series()


def piling_up(last: int = 5) -> Story:
    run = story()
    run.order(0, [None], 1.0, 1.0, None)
    for step in range(1, last):
        run.order(step, [float(step)], step + 1.0, step + 1.0, float(step), calls=("backward", "step"))
    return run.losses([1.0] * last)


def test_gradients_that_pile_up() -> None:
    finding = told(piling_up(), "loop.no_zero_grad")
    assert finding.severity == "error" and finding.where is not None and finding.where.line == 18
    assert "4 of 4 sampled steps" in finding.title and "opt.zero_grad()" in finding.advice


def test_three_consecutive_steps_are_enough_two_are_not() -> None:
    assert "loop.no_zero_grad" in piling_up(3).ids()
    assert "loop.no_zero_grad" not in piling_up(2).ids()


def test_accumulation_over_micro_batches_is_not_piling_up() -> None:
    run = story()
    for step in range(8):
        run.order(step, [None, 1.0, 2.0, 3.0], 4.0, 4.0, 4.0 if step else None)
    assert run.losses([1.0] * 8).ids() == []


def test_a_critic_that_meets_gradients_of_the_generators_loss_clears_them() -> None:
    run = story()
    for step in range(8):
        run.order(step, [1.0, None], 2.0, 1.0, 1.0 if step else None)
    assert run.losses([1.0] * 8).ids() == []


def test_clearing_now_and_then_is_somebodys_design() -> None:
    run = story()
    for step in range(1, 9):
        run.order(step, [None if step == 4 else 1.0], 2.0, 2.0, 1.0)
    assert run.losses([1.0] * 9).ids() == []


def test_gradients_that_are_scaled_down_are_kept_on_purpose() -> None:
    run = story()
    for step in range(1, 9):
        run.order(step, [0.9], 1.5, 1.5, 1.0)
    assert run.losses([1.0] * 9).ids() == []


def test_without_an_optimizer_only_growing_gradients_count() -> None:
    steady, growing = story(), story()
    for step in range(1, 10):
        steady.order(step, [1.0], 2.0, 2.0, 1.0, optimizer=-1)
        growing.order(step, [float(step)], step + 1.0, step + 1.0, float(step), optimizer=-1)
    assert steady.losses([1.0] * 9).ids() == []
    assert growing.losses([1.0] * 9).ids() == ["loop.no_zero_grad"]


def test_cleared_between_backward_and_step() -> None:
    run = story()
    for step in range(3):
        run.order(step, [None], 1.45, None, None, calls=("backward", "zero_grad", "step"), with_gradient=0)
        run.sample(step, None)
    finding = told(run.losses([1.0] * 3), "loop.zero_grad_after_backward")
    assert finding.where is not None and (finding.where.line, finding.where.text) == (19, "zero_grad()")
    assert "norm 1.45" in finding.title and "3 of 3" in finding.title
    assert run.ids() == ["loop.zero_grad_after_backward"], "missing gradients only follow from it"


def test_zeros_left_in_place_count_as_cleared() -> None:
    run = story()
    for step in range(3):
        run.order(step, [0.0], 1.45, 0.0, None, calls=("backward", "zero_grad", "step"))
    assert "loop.zero_grad_after_backward" in run.losses([1.0] * 3).ids()


def test_a_gradient_that_arrives_is_no_fault() -> None:
    run = story()
    for step in range(6):
        run.order(step, [None], 5.0, 1.0, 1.0 if step else None, calls=("zero_grad", "backward", "clip", "step"))
    assert run.losses([1.0] * 6).ids() == []


def test_a_single_lost_step_is_not_the_rule() -> None:
    run = story()
    for step in range(6):
        run.order(step, [None], 1.0, None if step == 5 else 1.0, None)
    assert run.losses([1.0] * 6).ids() == []


def test_a_discriminator_to_whose_gradient_the_generator_adds_and_that_is_never_cleared() -> None:
    calls = ("backward", "step", "backward")
    story = two_players()
    for step, (before, after, at_step, previous) in enumerate(
        [([None, 2.5], 2.8, 2.5, None), ([2.8, 5.3], 5.7, 5.3, 2.5), ([5.7, 8.2], 8.6, 8.2, 5.3)]
    ):
        story.order(step, before, after, at_step, previous, calls=calls)
    finding = told(story, "loop.no_zero_grad")
    assert finding.where is not None and finding.where.line == 18  # its own backward, not the generator's


def test_a_discriminator_that_is_cleared_before_its_own_backward() -> None:
    story = two_players()
    for step in range(4):
        story.order(step, [None, 2.5], 2.8, 2.5, 2.5 if step else None, calls=("zero_grad", "backward", "step"))
    assert "loop.no_zero_grad" not in story.ids()


def two_players() -> Story:
    return Story().model({"w": [2, 2]}).optimizer().series(0, "d_loss").series(1, "g_loss").losses([1.0] * 4)
