"""Which passes' answers stay in memory, and that they reach the snapshot."""

from __future__ import annotations

import dataclasses
from typing import Any

from dlmon.record.codec import encode_event
from dlmon.state.predictions import LAST, MOST_CELLS, PredictionsKept
from dlmon_probes import events
from dlmon_probes.events_predictions import Predictions, Sample
from dlmon_probes.kinds import KINDS
from tests.builders import START, Story


def evaluation(step: int, loss: float | None, loader: int = 1, name: str = "") -> events.Evaluation:
    return events.Evaluation(START + step, step, 1, 10, 0.1, loader=loader, name=name, loss=loss)


def answered(step: int, loader: int = 1, name: str = "", **more: Any) -> Predictions:
    fields: dict[str, Any] = {"task": "classes", "samples": 10, "looked_at": 10, "confusion": [[0, 0, 10]]} | more
    return Predictions(START + step, step, loader, name, **fields)


def kept(losses: list[float | None], **more: Any) -> PredictionsKept:
    found = PredictionsKept()
    for step, loss in enumerate(losses):
        found.evaluation(evaluation(step, loss))
        found.predictions(answered(step, **more))
    return found


def test_the_last_passes_and_the_best_one_stay() -> None:
    losses = [5.0, 1.0, *[3.0] * (LAST + 10)]
    steps = [event.step for event in kept(losses).items()]
    assert steps == [1, *range(len(losses) - LAST, len(losses))]


def test_the_best_is_kept_for_each_loader_and_name() -> None:
    found = PredictionsKept()
    for loader, name in ((1, "val"), (1, "test"), (2, "val")):
        found.evaluation(evaluation(0, 0.1, loader, name))
        found.predictions(answered(0, loader, name))
    for step in range(1, LAST + 2):
        found.evaluation(evaluation(step, 0.5, 3))
        found.predictions(answered(step, 3))
    first = [(event.loader, event.name) for event in found.items() if event.step == 0]
    assert sorted(first) == [(1, "test"), (1, "val"), (2, "val")]


def test_passes_without_a_loss_or_without_a_task_are_never_the_best() -> None:
    found = kept([None, float("nan"), *[None] * LAST])
    assert found.items()[0].step == 2
    found = PredictionsKept()
    found.evaluation(evaluation(0, 0.0))
    found.predictions(answered(0, task="", reason="no targets found"))
    for step in range(1, LAST + 1):
        found.predictions(answered(step))
    assert all(event.step for event in found.items())


def test_old_large_confusion_matrices_go_and_say_so() -> None:
    large = [[i // 200, i % 200, 1] for i in range(MOST_CELLS // 4)]
    found = kept([3.0, 1.0, *[2.0] * 10], confusion=large)
    items = found.items()
    assert len(items) == 12
    cells = [len(event.confusion) for event in items]
    assert sum(cells) <= MOST_CELLS
    assert cells[1] == cells[-1] == len(large)  # the best and the last
    assert cells[0] == 0 and items[0].cut == len(large)
    assert all(event.cut == (0 if event.confusion else len(large)) for event in items)


def test_items_are_the_same_object_until_another_pass_came() -> None:
    found = kept([1.0, 2.0])
    assert found.items() is found.items()
    before = found.items()
    found.predictions(answered(2))
    assert found.items() is not before


def test_they_reach_the_snapshot_and_are_kept_once() -> None:
    sample = Sample(3, index=17, actual=1, predicted=0, confidence=0.9)
    snapshot = Story().add(evaluation(0, 1.0), answered(0, wrong=[sample])).snapshot()
    (view,) = snapshot.predictions
    assert (view.rank, view.event.wrong) == (0, [sample])
    assert snapshot.leader is not None and Predictions.kind not in snapshot.leader.further


def test_the_line_in_the_log_is_read_back_as_it_was(tmp_path: Any) -> None:
    from dlmon.record.reader import RunReader

    event = answered(4, name="val", wrong=[Sample(0, wrong=[1, -3])], top={"1": 0.5}, actual_counts=[3, 4])
    hello = events.Hello(START, 1, "rank", 1, "node")
    (tmp_path / "rank0.jsonl").write_bytes(encode_event(hello) + encode_event(event))
    read = [tagged.event for tagged in RunReader(tmp_path).read().events]
    assert [dataclasses.asdict(one) for one in read[1:]] == [dataclasses.asdict(event)]


def test_no_two_kinds_of_lines_share_a_name() -> None:
    from dlmon_probes import events_data, events_loop, events_machine, events_model, events_predictions, events_watch

    modules = (events_data, events_loop, events_machine, events_model, events_predictions, events_watch)
    classes = [*events.KINDS.values(), *(cls for module in modules for cls in module.EVENTS)]
    assert len({cls.kind for cls in classes}) == len(classes) == len(KINDS)
