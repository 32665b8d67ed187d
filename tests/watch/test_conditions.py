"""Conditions over a run's events: every step is judged, and a condition acts when it turns true."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dlmon.checks.finding import ERROR, HINT, Finding
from dlmon.errors import UserError
from dlmon.record.reader import Tagged
from dlmon.watch.command import OnFinding
from dlmon.watch.conditions import Conditions, Met
from dlmon.watch.orders import BREAK, STOP, Orders, decoded
from dlmon.watch.parse import parse
from dlmon_probes import events
from dlmon_probes.events_watch import Break
from tests.builders import START, Story, at


def watched(story: Story, *texts: str) -> list[Met]:
    return Conditions((BREAK, parse(text)) for text in texts).see(story.tagged())


def trained(losses: list[float | None], **columns: object) -> Story:
    return Story().model({"w": [2, 2]}).series().losses(losses, **columns)


def test_a_step_in_the_middle_of_a_block_is_not_passed_over() -> None:
    (met,) = watched(trained([1.0, 50.0, 1.0]), "loss > 10")
    assert (met.action, met.step, met.values) == (BREAK, 2, "loss 50.0")


def test_a_condition_that_stays_true_is_met_once_and_again_when_it_turns_true_again() -> None:
    met = watched(trained([1, 20, 30, 1, 40]), "loss > 10")
    assert [each.step for each in met] == [2, 5]


def test_conditions_are_met_in_the_order_of_the_steps() -> None:
    met = watched(trained([1, 20, 30]), "loss > 25", "loss > 15")
    assert [(each.step, each.condition.text) for each in met] == [(2, "loss > 15"), (3, "loss > 25")]


def test_a_norm_that_is_known_at_sampled_steps_stands_until_the_next_one() -> None:
    story = trained([1.0, 1.0, 9.0], grad_norm=[None, 200.0, None])
    assert [met.step for met in watched(story, "grad_norm > 100 and loss > 5")] == [3]


def test_early_stopping_counts_evaluations() -> None:
    story = trained([1.0] * 4)
    for step, loss in enumerate([3.0, 2.0, 2.1, 2.2, 2.3]):
        story.add(events.Evaluation(t=START + 10 + step, step=step, batches=1, samples=8, seconds=0.1, loss=loss))
    (met,) = watched(story, "val_loss.stale(3)")
    assert (met.step, met.values) == (4, "val_loss 2.30")


def test_a_second_evaluation_has_its_own_name() -> None:
    story = trained([1.0])
    for t, name, loss in ((1, "val", 1.0), (2, "test", 9.0)):
        story.add(
            events.Evaluation(
                t=START + 9 + t, step=1, batches=1, samples=8, seconds=0.1, loss=loss, name=name, loader=t
            )
        )
    assert watched(story, "val_loss > 5") == []
    assert len(watched(story, "'test loss' > 5")) == 1


def test_what_the_script_logs_and_its_other_losses() -> None:
    story = trained([1.0]).add(events.Series(t=START + 2, series=1, name="loss_d", where=at(30)))
    story.add(events.Steps(t=START + 3, first=1, at=[3.0], dt=[0.1], wait=[0.0], lr=[0.1], micro=[1], samples=[1],
                           loss={"0": [1.0], "1": [7.0]}))  # fmt: skip
    story.add(events.Scalars(t=START + 4, source="tensorboard", at=2, rows=[events.ScalarRow("train/kl", 3.0)]))
    assert [met.step for met in watched(story, "'loss_d' > 5", "'train/kl' > 2")] == [2, 2]


def test_only_the_leading_process_is_judged() -> None:
    follower = Story(rank=1).model({"w": [2, 2]}).series().losses([99.0])
    conditions = Conditions([(BREAK, parse("loss > 10"))])
    assert conditions.see([*trained([1.0]).tagged(), *follower.tagged()]) == []


def test_what_could_never_be_judged_is_told_with_the_missing_fact() -> None:
    conditions = Conditions([(STOP, parse("val_loss.stale(5)")), (BREAK, parse("loss > 10"))])
    conditions.see(trained([1.0]).tagged())
    assert conditions.never_judged() == ["`val_loss.stale(5)` could not be judged: no val_loss was reported"]


def test_hostile_events_do_no_harm() -> None:
    steps = events.Steps(t=START, first=0, at=[1.0, 2.0], dt=[], wait=[None], lr=[], micro=[], samples=[],
                         loss={"x": [float("nan")], "0": []}, grad_norm=["big"])  # type: ignore[list-item]  # fmt: skip
    assert Conditions([(BREAK, parse("loss > 1 or grad_norm > 1"))]).see([Tagged("rank0.jsonl", 0, steps)]) == []


def test_orders_travel_and_are_checked_before_anything_starts() -> None:
    orders = Orders(("loss > 10",), ("val_loss.stale(5)",), "mail me")
    assert decoded(orders.encoded()).conditions() == orders.conditions()
    assert orders.any
    assert not Orders().any
    orders.check()
    with pytest.raises(UserError, match=r"^--stop-when: .*\n  loss >\n        \^$"):
        Orders(stop_when=("loss >",)).check()


def finding(id: str, severity: str = ERROR, **facts: object) -> Finding:
    return Finding(id, severity, "a title", "an advice", step=7, where=at(12), **facts)  # type: ignore[arg-type]


def test_a_command_gets_each_finding_once(tmp_path: Path) -> None:
    out = tmp_path / "got.jsonl"
    script = tmp_path / "tell.py"
    script.write_text(
        "import json, os, sys\n"
        "row = json.load(sys.stdin)\n"
        "row['env'] = {k: v for k, v in os.environ.items() if k.startswith('DLMON_')}\n"
        f"open({str(out)!r}, 'a').write(json.dumps(row) + '\\n')\n"
    )
    command = OnFinding(f"{sys.executable} {script}", tmp_path / "run", tmp_path / "watch.log")
    one, other = finding("loop.no_zero_grad"), finding("grads.exploding")
    assert command.look([one, finding("some.hint", HINT), finding("a.b", resolved=True)]) == []
    assert command.look([one, other]) == []
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["loop.no_zero_grad", "grads.exploding"]
    assert rows[0]["where"] == {"file": "train.py", "line": 12}
    assert rows[0]["env"]["DLMON_FINDING"] == "loop.no_zero_grad"
    assert rows[0]["env"]["DLMON_WHERE"] == "train.py:12"
    assert rows[0]["env"]["DLMON_STEP"] == "7"


def test_a_command_that_fails_is_reported_and_its_words_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "watch.log"
    command = OnFinding("echo no mail here >&2; exit 3", tmp_path, log)
    assert command.look([finding("a.b"), finding("c.d")]) == [
        "the command of --on-finding ended with code 3 for a.b; see watch.log",
        "the command of --on-finding ended with code 3 for c.d; see watch.log",
    ]
    assert log.read_text() == "no mail here\nno mail here\n"


def test_a_command_that_does_not_read_its_input_is_no_trouble(tmp_path: Path) -> None:
    big = finding("a.b", evidence={"x": "y" * 1_000_000})
    assert OnFinding("exec 0<&-; true", tmp_path, tmp_path / "watch.log").look([big]) == []


def test_what_the_training_judges_by_itself_is_not_acted_on_twice() -> None:
    conditions = Conditions([(BREAK, parse("loss > 10")), (BREAK, parse("step == 2"))])
    conditions.leave_to_training([0])
    assert [met.condition.text for met in conditions.see(trained([1.0, 50.0]).tagged())] == ["step == 2"]
    met = conditions.broke(Break(START, 1, 0, {"loss": 50.0}))
    assert met is not None and (met.action, met.step, met.values) == (BREAK, 2, "loss 50.0")
    assert conditions.broke(Break(START, 1, None)) is None and conditions.broke(Break(START, 1, 7)) is None
