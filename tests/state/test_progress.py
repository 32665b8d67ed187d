from __future__ import annotations

import dataclasses

import pytest

from dlmon.state.bars import BarProgress
from dlmon.state.progress import PassCounter, eta
from dlmon.state.step_clock import StepClock
from dlmon_probes import events


def bar(number: int, n: float, total: float | None, desc: str = "", position: int = 0, **more: object) -> events.Bar:
    return events.Bar(t=0.0, bar=number, desc=desc, n=n, total=total, position=position, **more)  # type: ignore[arg-type]


class Run:
    """One step a second; bars say what they say when so many steps are done."""

    def __init__(self) -> None:
        self.clock = StepClock()
        self.bars = BarProgress(self.clock)
        self.step = 0

    def at(self, step: int, event: events.Bar, *, reported: bool = True) -> Run:
        if reported:
            self.report(step)
        self.bars.bar(dataclasses.replace(event, t=float(step)))
        return self

    def report(self, step: int) -> Run:
        if step > self.step:
            self.clock.block(self.step, self.step + 1.0, float(step), step - self.step)
            self.step = step
        return self

    def told(self) -> tuple[int | None, str]:
        progress = self.bars.progress(self.step)
        return progress.total_steps, progress.epoch


def told(*seen: tuple[events.Bar, int]) -> tuple[int | None, str]:
    """(total steps, epoch) after bars at their steps."""
    run = Run().report(1)
    for event, step in seen:
        run.at(step, event)
    return run.told()


def test_one_bar_over_all_steps() -> None:
    assert told((bar(1, 0, 500), 0), (bar(1, 100, 500), 100)) == (500, "")


def test_one_bar_over_micro_batches() -> None:
    assert told((bar(1, 0, 800), 0), (bar(1, 80, 800), 20)) == (200, "")


def test_one_bar_over_epochs() -> None:
    assert told((bar(1, 0, 10, "Epochs"), 0), (bar(1, 2, 10, "Epochs"), 60)) == (300, "3/10")


def test_epochs_around_batches() -> None:
    outer, inner = bar(1, 0, 10, "epoch"), bar(2, 0, 50, position=1)
    assert told((outer, 0), (inner, 0), (bar(2, 20, 50, position=1), 20)) == (500, "1/10")
    later = (bar(1, 3, 10, "epoch"), 150), (bar(3, 0, 50, position=1), 150), (bar(3, 10, 50, position=1), 160)
    assert told((outer, 0), *later) == (500, "4/10")


def test_a_new_bar_for_each_epoch_that_names_it() -> None:
    assert told((bar(7, 0, 100, "Epoch 3/10"), 200), (bar(7, 40, 100, "Epoch 3/10"), 240)) == (1000, "3/10")
    assert told((bar(7, 0, 100, "Epoch 0"), 0), (bar(7, 40, 100, "Epoch 0"), 40)) == (None, "0")


def test_an_evaluation_bar_says_nothing_of_the_training() -> None:
    train = (bar(1, 0, 500), 0), (bar(1, 100, 500), 100)
    assert told(*train, (bar(2, 0, 40, "val", 1), 100), (bar(2, 30, 40, "val", 1), 100)) == (500, "")


def test_a_closed_bar_is_gone_and_what_it_said_stays() -> None:
    run = Run().at(50, bar(1, 0, 50, "epoch 2/3")).at(80, bar(1, 30, 50, "epoch 2/3"))
    assert run.told() == (150, "2/3")
    run.at(100, bar(1, 50, 50, "epoch 2/3", closed=True)).at(100, bar(2, 3, 9, "validating"))
    assert run.told() == (150, "2/3")


def test_the_next_epochs_bar_counts_like_the_last() -> None:
    run = Run().at(0, bar(1, 0, 100, "epoch 1/3")).at(40, bar(1, 80, 100, "epoch 1/3"))
    run.at(50, bar(1, 100, 100, "epoch 1/3", closed=True)).at(50, bar(2, 0, 100, "epoch 2/3"))
    assert run.told() == (150, "2/3")


def test_steps_after_the_bars_last_report_do_not_stretch_the_total() -> None:
    run = Run().at(0, bar(1, 0, 500)).at(100, bar(1, 100, 500))
    assert run.report(130).told() == (500, "")


def test_bars_that_are_ahead_of_the_reported_steps_wait_for_them() -> None:
    run = Run().report(1).at(1, bar(1, 1, 500)).at(60, bar(1, 60, 500), reported=False)
    assert run.told()[0] is None
    assert run.report(60).told() == (500, "")


def test_a_display_that_lags_behind_is_made_up_for() -> None:
    assert told((bar(1, 0, 1000), 0), (bar(1, 92, 1000), 100)) == (1000, "")


def test_a_clock_that_was_set_back_is_passed_over() -> None:
    clock = StepClock()
    clock.block(0, 10.0, 20.0, 11)
    clock.block(11, 5.0, 6.0, 2)
    assert (clock.steps_at(5.0), clock.steps_at(15.0), clock.steps_at(20.0), clock.steps_at(21.0)) == (0, 6, 11, None)


def test_time_left_counts_the_pauses_between_steps() -> None:
    assert eta(100, 200, (0, 10.0), 109.0) == pytest.approx(100.0)
    assert eta(3, 200, (0, 10.0), 11.0) is None
    assert eta(100, None, (0, 10.0), 109.0) is None


def loader(samples: int | None, number: int = 0) -> events.Loader:
    return events.Loader(t=0.0, loader=number, dataset="D", length=10, samples=samples, batch_size=32)


def steps(samples: list[int | None], micro: list[int]) -> events.Steps:
    empty = [None] * len(samples)
    return events.Steps(
        t=0.0, first=0, at=[0.0] * len(samples), dt=empty, wait=empty, lr=empty, micro=micro, samples=samples
    )


def test_passes_are_counted_from_rows_without_the_evaluations() -> None:
    passes = PassCounter()
    assert passes.text() == ""
    passes.loader(loader(320))
    passes.loader(loader(64, 1))
    passes.steps(steps([32] * 10, [1] * 10))
    assert passes.text() == "1"
    passes.steps(steps([32 + 64, 32], [1, 1]))
    assert passes.text() == "2"
    passes.steps(steps([64, None], [2, 1]))
    assert passes.text() == "2"


def test_passes_of_data_without_length_are_not_guessed() -> None:
    passes = PassCounter()
    passes.loader(loader(None))
    passes.steps(steps([32], [1]))
    assert passes.text() == ""


def test_a_block_told_in_two_parts_is_one_block() -> None:
    whole, parts = StepClock(), StepClock()
    for clock in (whole, parts):
        clock.block(0, 1.0, 10.0, 10)
    whole.block(10, 12.0, 30.0, 20)
    parts.block(10, 12.0, 14.0, 3)
    parts.continue_last()
    parts.block(13, 20.0, 30.0, 17)
    assert [parts.steps_at(t / 4) for t in range(130)] == [whole.steps_at(t / 4) for t in range(130)]
