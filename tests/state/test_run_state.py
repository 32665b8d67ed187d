from __future__ import annotations

import dataclasses
import math
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlmon.checks.registry import Judge
from dlmon.record.reader import RunReader, Tagged
from dlmon.state.run_state import RunState
from dlmon.view import RunFollower
from dlmon_probes import events
from dlmon_probes.kinds import KINDS
from tests.builders import START, STEP, Story, named, tensor


def story() -> Story:
    return Story().model({"fc1.weight": [4, 8], "fc1.bias": [4]}).optimizer().series()


def test_a_run_from_its_files_to_its_snapshot(tmp_path: Path) -> None:
    told = story().losses([1.0, 0.8, math.nan]).sample(1, {"fc1.weight": 0.5, "fc1.bias": None}).exit(0)
    follower = RunFollower(told.write(tmp_path))
    while follower.advance():
        pass
    snapshot = follower.view(told.now).snapshot
    assert (snapshot.state, snapshot.exit_code, snapshot.step, snapshot.world) == ("finished", 0, 3, 1)
    assert snapshot.command == ("python", "train.py") and snapshot.lr == 0.1
    loss = snapshot.series[0]
    assert (loss.name, loss.source, loss.count, loss.points.nonfinite) == ("loss", "loss", 3, (2,))
    assert loss.where is not None and loss.where.line == 20
    weight, bias = snapshot.parameters
    assert (weight.name, weight.module, weight.norm, weight.optimizer, weight.samples) == (
        "fc1.weight",
        "fc1",
        0.5,
        0,
        1,
    )
    assert bias.norm is None and snapshot.parameters_step == 1
    assert snapshot.timing.median == pytest.approx(STEP) and snapshot.timing.rate == pytest.approx(1 / STEP)
    assert snapshot.timing.wait_share == pytest.approx(0.1) and snapshot.timing.samples_rate == pytest.approx(320)
    assert snapshot.elapsed == pytest.approx(told.now - START)


def test_a_snapshot_does_not_change_when_more_is_read() -> None:
    told = story().losses([1.0])
    state = RunState(told.folder)
    state.fold_all(told.tagged())
    before = state.snapshot(told.now)
    size = len(told.events)
    told.losses([2.0, 3.0]).sample(2)
    state.fold_all([Tagged("rank0.jsonl", 0, event) for event in told.events[size:]])
    assert before.step == 1 and before.series[0].count == 1 and before.parameters[0].samples == 0
    after = state.snapshot(told.now)
    assert after.step == 3 and after.parameters[0].samples == 1


def test_what_did_not_change_is_the_same_object() -> None:
    told = story().losses([1.0]).sample(0)
    state = RunState(told.folder)
    state.fold_all(told.tagged())
    first = state.snapshot(told.now)
    state.fold(Tagged("host.jsonl", -1, events.Output(t=told.now, offset=5)))
    second = state.snapshot(told.now)
    assert first.parameters is second.parameters and first.facts[0] is second.facts[0]
    assert first.series[0] is second.series[0]


def test_series_of_all_sources_share_the_chart() -> None:
    told = story().losses([1.0, 0.5])
    told.add(
        events.Evaluation(t=told.now, step=2, batches=3, samples=90, seconds=1.0, loss=0.7, accuracy=0.9),
        events.Scalars(t=told.now, source="tensorboard", at=2, rows=[events.ScalarRow("f1", 0.4)]),
    )
    found = {(series.source, series.name): series.last for series in told.snapshot().series}
    assert found["loss", "loss"] == 0.5 and found["evaluation", "val loss"] == 0.7
    assert found["evaluation", "val accuracy"] == 0.9 and found["tensorboard", "f1"] == 0.4
    assert told.snapshot().evaluations[0].event.samples == 90


def test_a_loss_that_comes_before_its_name_is_renamed() -> None:
    told = Story().model({"w": [1]}).losses([1.0])
    assert told.snapshot().series[0].name == "loss 0"
    assert told.series(0, "loss_G").snapshot().series[0].name == "loss_G"


def ranks(*stories: Story) -> RunState:
    state = RunState(stories[0].folder)
    for told in stories:
        state.fold_all(told.tagged())
    return state


def test_the_lowest_rank_leads_whoever_comes_first() -> None:
    one = Story(rank=1).series().losses([1.0] * 4)
    zero = Story(rank=0).series().losses([1.0] * 2)
    snapshot = ranks(one, zero).snapshot(one.now)
    assert snapshot.step == 2 and snapshot.world == 2
    assert [(rank.rank, rank.step) for rank in snapshot.ranks] == [(0, 2), (1, 4)]
    assert sorted(snapshot.facts) == [0, 1] and snapshot.leader is snapshot.facts[0]


def test_a_second_process_of_a_rank_is_shown_beside_the_first() -> None:
    state = ranks(Story().series().losses([1.0] * 3))
    for event in (events.Hello(t=START + 1, schema=1, role="rank", pid=7, host="n"),):
        state.fold(Tagged("rank0-7.jsonl", 0, event))
    snapshot = state.snapshot(START + 2)
    assert snapshot.step == 3 and [rank.pid for rank in snapshot.ranks] == [100, 7] and snapshot.world == 2


def test_the_next_training_of_a_sweep_takes_the_lead() -> None:
    first = Story().series().losses([1.0] * 3)
    state = ranks(first.add(events.End(t=first.now, step=3)))
    state.fold(Tagged("rank0-7.jsonl", 0, events.Hello(t=START + 1, schema=1, role="rank", pid=7, host="n")))
    snapshot = state.snapshot(START + 2)
    assert snapshot.step == 0 and snapshot.ranks[0].pid == 7


def test_bars_of_all_ranks_and_the_leaders_progress() -> None:
    told = story().add(events.Bar(t=START + 0.9, bar=1, desc="epoch 1/4", n=0.0, total=10.0)).losses([1.0] * 6)
    told.add(events.Bar(t=told.now, bar=1, desc="epoch 1/4", n=6.0, total=10.0)).losses([1.0])
    snapshot = told.snapshot()
    assert (snapshot.total_steps, snapshot.epoch) == (40, "1/4") and snapshot.eta == pytest.approx(3.3)
    assert snapshot.bars[0].bar.n == 6.0


def test_the_machine_keeps_a_short_history() -> None:
    told = story()
    for i in range(300):
        gpu = events.Gpu(uuid="GPU-1", index=0, name="A", total=100, used=50, utilisation=None if i % 2 else 0.5)
        told.host.append(
            events.Host(t=START + i, cpu=i / 300, cores=2, ram_used=1, ram_total=4, gpus=[gpu], gpu_note="")
        )
    machine = told.snapshot().machine
    assert machine.host is not None and len(machine.cpu) == 240 and machine.ram[-1] == 0.25
    assert len(machine.gpu_utilisation["GPU-1"]) == 150 and machine.gpu_memory["GPU-1"][-1] == 0.5


def test_what_dlmon_could_not_do_is_said() -> None:
    told = story().add(events.ProbeError(t=START, probe="graph", error="KeyError: 1"))
    state = ranks(told)
    state.corrupt_lines = 2
    assert state.snapshot(told.now).notices == (
        "probe graph switched itself off: KeyError: 1",
        "2 lines of the log could not be read and were left out",
    )


def test_the_smoke_list_ticks_off_with_its_numbers() -> None:
    told = story()
    empty = {item.name: item.verdict for item in told.snapshot().smoke}
    assert set(empty.values()) == {"waiting"}
    loss = events.LossFacts(op="NllLossBackward0", prediction=tensor([32, 3]), classes=3, reduction=1)
    told.add(
        events.Batch(t=START, step=0, loader=0, tensors=[named("[0]", [32, 1, 16, 16], min=0.0, max=1.0)]),
        events.Activations(
            t=START, step=0, modules=[events.Activation("net", "Net", [[32, 1, 16, 16]], [[32, 3]], leaf=False)]
        ),
    )
    told.graph([("NllLossBackward0", [], {})], value=1.09, losses=[loss])
    told.order(0, [None], 0.5, 0.5).order(1, [None], 0.5, 0.5, 0.5).sample(0).losses([1.09, 1.0])
    told.add(events.Evaluation(t=told.now, step=2, batches=3, samples=90, seconds=1.0, loss=0.7, accuracy=0.9))
    items = {item.name: (item.verdict, item.detail) for item in told.snapshot().smoke}
    assert items["data"] == ("pass", "batch 32×1×16×16 float32 0 … 1")
    assert items["forward"] == ("pass", "output 32×3")
    assert items["loss"] == ("pass", "first loss 1.09, expected ln 3 = 1.099")
    assert items["backward"] == ("pass", "gradients 2 of 2")
    assert items["clearing"] == ("pass", "gradients cleared between steps")
    assert items["step"] == ("pass", "weights moved 2 of 2")
    assert items["evaluation"] == ("pass", "3 batches, loss 0.7, accuracy 90.0%")


# ---------------------------------------------------------------- hostile events: well-formed, absurd

INTEGERS = st.one_of(st.integers(-3, 5), st.sampled_from([2**31, 2**63, -(2**63)]))
FLOATS = st.one_of(st.floats(), st.floats(0, 10))


def values(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of an annotated type: dataclasses, containers and scalars, with the odd ones favoured."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return absurd(kind, depth + 1)  # type: ignore[arg-type]
    if origin is list:
        return st.lists(values(arguments[0], depth), max_size=2 if depth else 4)
    if origin is dict:
        return st.dictionaries(st.sampled_from(["0", "1", "x", "self"]), values(arguments[1], depth), max_size=2)
    if origin is typing.Union:
        return st.one_of(*(values(argument, depth) for argument in arguments))
    scalars: dict[Any, st.SearchStrategy[Any]] = {
        int: INTEGERS, float: FLOATS, bool: st.booleans(), str: st.sampled_from(["", "loss", "fc1.weight", "0", "∞"]),
        type(None): st.none(), Any: st.one_of(st.none(), INTEGERS, st.lists(INTEGERS, max_size=2)),
    }  # fmt: skip
    return scalars[kind]


def absurd(cls: type[Any], depth: int = 0) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    fields = {field.name: values(hints[field.name], depth) for field in dataclasses.fields(cls)}
    if depth == 0:
        fields["t"] = st.floats(START, START + 100)
    return st.builds(cls, **fields)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(*(absurd(cls) for cls in KINDS.values())), max_size=12), st.integers(-1, 1))
def test_no_event_makes_the_fold_or_a_check_raise(hostile: list[Any], rank: int) -> None:
    told = story().losses([1.0, 0.9])
    state = RunState(told.folder)
    state.fold_all(told.tagged())
    state.fold_all([Tagged("host.jsonl" if rank < 0 else f"rank{rank}.jsonl", rank, event) for event in hostile])
    judge = Judge()
    for now in (START, START + 1000, None):
        judge(state.snapshot(now))


def test_an_empty_or_missing_folder_has_a_snapshot(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        state = RunState(folder)
        state.fold_all(RunReader(folder).read().events)
        snapshot = state.snapshot()
        assert snapshot.state == "starting" and snapshot.facts == {} and snapshot.leader is None
