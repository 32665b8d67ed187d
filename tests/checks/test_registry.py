from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator

import pytest

from dlmon.checks import registry
from dlmon.checks.facts import Lacking
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.registry import Judge, Registered, all_checks, check
from dlmon.state.snapshot import RunSnapshot

IDS = {
    "loss.nonfinite", "grads.none", "grads.zero", "grads.vanishing", "grads.exploding", "grads.nonfinite",
    "loop.no_zero_grad", "loop.zero_grad_after_backward", "loss.softmax_before_ce", "loss.sigmoid_before_bce_logits",
    "loss.broadcast", "loss.initial_value", "loop.eval_mode_in_training", "loop.params_not_in_optimizer",
    "data.labels_out_of_range", "data.nan", "crash.shape", "crash.oom", "crash.index", "crash.device", "crash.dtype",
    "crash.other", "crash.killed", "loop.lr_extreme",
}  # fmt: skip


def snapshot(step: int = 0) -> RunSnapshot:
    return RunSnapshot(name="r", folder="/r", command=(), state="training", step=step)


def raising(id: str, *findings: Finding, explains: tuple[str, ...] = ()) -> Registered:
    return Registered(id, "nothing", lambda _: iter(findings), explains)


def finding(id: str, severity: str = WARNING, step: int = 0, **evidence: object) -> Finding:
    return Finding(id, severity, f"{id} at {step}", "do", step=step, evidence=evidence)


def test_every_check_is_registered_once_with_what_it_needs() -> None:
    assert {registered.id for registered in all_checks()} >= IDS
    assert all(registered.needs for registered in all_checks())
    explained = {other for registered in all_checks() for other in registered.explains}
    assert explained <= {registered.id for registered in all_checks()}
    with pytest.raises(ValueError, match=r"loss\.nonfinite"):
        check("loss.nonfinite", needs="x")(lambda _: ())


def test_an_empty_run_is_judged_without_findings_or_failures() -> None:
    judgement = Judge()(snapshot())
    assert judgement.findings == () and judgement.abstained
    assert not [a for a in judgement.abstained if "failed" in a.reason]


def test_a_check_that_raises_abstains_and_the_others_go_on() -> None:
    def broken(_: RunSnapshot) -> Iterator[Finding]:
        yield finding("a.broken")
        raise KeyError("x")

    judgement = Judge([Registered("a.broken", "", broken), raising("b.fine", finding("b.fine"))])(snapshot())
    assert [f.id for f in judgement.findings] == ["b.fine"]
    assert judgement.abstained[0].reason == "check failed: KeyError: 'x'"


def test_lacking_facts_is_an_abstention_with_the_fact() -> None:
    def lacking(_: RunSnapshot) -> Iterator[Finding]:
        raise Lacking("no batch yet")

    assert Judge([Registered("a", "", lacking)])(snapshot()).abstained[0].reason == "no batch yet"


def test_worst_first_then_causes_first() -> None:
    judge = Judge(
        [raising("a", finding("a", HINT)), raising("b", finding("b", ERROR)), raising("c", finding("c", ERROR))]
    )
    assert [f.id for f in judge(snapshot()).findings] == ["b", "c", "a"]


def test_a_consequence_is_left_out_beside_its_cause() -> None:
    judge = Judge([raising("cause", finding("cause"), explains=("effect",)), raising("effect", finding("effect"))])
    assert [f.id for f in judge(snapshot()).findings] == ["cause"]


def test_a_finding_keeps_its_first_step_and_is_resolved_when_it_is_gone() -> None:
    def at_even_steps(now: RunSnapshot) -> Iterator[Finding]:
        if now.step != 7:
            yield finding("a", step=now.step)

    judge = Judge([Registered("a", "", at_even_steps)])
    assert judge(snapshot(3)).findings[0].step == 3
    later = judge(snapshot(5)).findings[0]
    assert later.step == 3 and later.title == "a at 5" and not later.resolved
    assert judge(snapshot(7)).findings[0].resolved
    assert not judge(snapshot(8)).findings[0].resolved


def test_subjects_tell_findings_of_one_check_apart() -> None:
    judge = Judge([raising("a", finding("a", subject="x"), finding("a", subject="y"), finding("a", subject="x"))])
    assert [f.evidence["subject"] for f in judge(snapshot()).findings] == ["x", "y"]


def test_evidence_is_plain_json_whatever_the_numbers_are() -> None:
    odd = finding("a", norms=[math.nan, 1.0], best={"w": math.inf}, shape=(2, 3))
    shown = Judge([raising("a", odd)])(snapshot()).findings[0].as_json()
    text = json.dumps(shown, allow_nan=False)
    assert json.loads(text)["evidence"] == {"norms": ["nan", 1.0], "best": {"w": "inf"}, "shape": [2, 3]}


def test_families_are_all_loaded() -> None:
    assert len(all_checks()) == len({registered.id for registered in all_checks()})
    assert set(registry.FAMILIES) == {registered.run.__module__.rpartition(".")[2] for registered in all_checks()}


def test_every_check_can_be_pickled_with_the_judge_that_holds_it() -> None:
    for registered in all_checks():
        assert pickle.loads(pickle.dumps(registered)).id == registered.id


def test_an_idle_run_is_not_judged_again() -> None:
    calls = []

    def counting(now: RunSnapshot) -> Iterator[Finding]:
        calls.append(now.step)
        yield finding("a")

    judge = Judge([Registered("a", "", counting)])
    assert judge(snapshot(1)) is judge(snapshot(1)) and calls == [1]
    judge(snapshot(2))
    assert calls == [1, 2]
