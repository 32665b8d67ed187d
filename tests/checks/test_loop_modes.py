from __future__ import annotations

from dlmon_probes import events
from tests.builders import Story, at, told


def modes(
    step: int, training: bool, *, root: bool | None = None, trains: bool = True, cls: str = "Dropout"
) -> events.Modes:
    rows = [events.Mode("drop", cls, training, 0.5, trains), events.Mode("bn1", "BatchNorm1d", training, None, trains)]
    flag = training if root is None else root
    return events.Modes(t=1.7e9 + step, step=step, root_training=flag, modules=rows, where=at(20), switched=at(28))


def test_left_in_eval_mode_after_an_evaluation() -> None:
    run = Story().series().add(modes(0, True)).losses([1.0] * 24).add(modes(24, False)).losses([1.0] * 3)
    finding = told(run, "loop.eval_mode_in_training")
    assert finding.severity == "error" and finding.step == 24
    assert finding.where is not None and finding.where.line == 28
    assert "2 of 2" in finding.title and "drop, bn1" in finding.title


def test_never_in_train_mode() -> None:
    run = Story().series().add(modes(0, False)).losses([1.0] * 3)
    assert told(run, "loop.eval_mode_in_training").severity == "warning"


def test_frozen_batch_norm_alone_is_a_hint() -> None:
    run = Story().series().add(modes(0, False, root=True, cls="BatchNorm2d")).losses([1.0] * 9)
    assert told(run, "loop.eval_mode_in_training").severity == "hint"


def test_parts_that_do_not_train_may_be_in_eval_mode() -> None:
    assert Story().series().add(modes(0, False, trains=False)).losses([1.0] * 9).ids() == []


def test_train_mode() -> None:
    assert Story().series().add(modes(0, True)).losses([1.0] * 9).ids() == []


def test_a_backward_in_eval_mode_between_training_steps() -> None:
    run = Story().series()
    for step in range(0, 12, 2):
        run.add(modes(step, False)).losses([1.0]).add(modes(step + 1, True)).losses([1.0])
    assert run.add(modes(12, False)).losses([1.0]).ids() == []
