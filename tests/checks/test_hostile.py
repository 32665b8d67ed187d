"""No check raises on any state that the types of the log allow: it judges, or it lacks a fact."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlmon.checks.facts import Lacking
from dlmon.checks.finding import SEVERITIES
from dlmon.checks.registry import Judge, Registered, all_checks
from dlmon.state.snapshot import RunSnapshot
from dlmon_probes.events import Loader, LossFacts, TensorFacts
from dlmon_probes.events_data import LoaderRows
from dlmon_probes.events_model import ExtraForward, NextToken, Predictions, StateLoad, UnitRow, Units
from tests.builders import START, Story, at
from tests.checks.hostile import mutated, snapshots

CHECKS = all_checks()
EXAMPLES = 20
quiet = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip


def judged(registered: Registered, snapshot: RunSnapshot) -> None:
    """Calls the check itself, not the judge that guards it."""
    try:
        findings = list(registered.run(snapshot))
    except Lacking as fact:
        assert str(fact)
        return
    for finding in findings:
        assert finding.severity in SEVERITIES and finding.title and finding.advice


@pytest.mark.slow
@quiet
@given(st.data())
def test_no_check_raises_on_contradictory_events(data: st.DataObject) -> None:
    snapshot = data.draw(snapshots())
    for registered in CHECKS:
        judged(registered, snapshot)


@pytest.mark.slow
@quiet
@given(st.data())
def test_no_check_raises_on_further_events_of_another_type(data: st.DataObject) -> None:
    snapshot = data.draw(snapshots(junk=True))
    for registered in CHECKS:
        judged(registered, snapshot)


def usual() -> RunSnapshot:
    """An ordinary run of 120 steps, with most of what is ever sampled of one."""
    story = Story().model({"fc1.weight": [8, 4], "fc1.bias": [8], "fc2.weight": [3, 8]}).optimizer().series()
    nodes = [
        ("NllLossBackward0", [1], {}), ("LogSoftmaxBackward0", [2], {"dim": 1}), ("AddmmBackward0", [3, 4], {}),
        ("ReluBackward0", [5], {}), ("TBackward0", [6], {}), ("AddmmBackward0", [7], {}),
        ("AccumulateGrad", [], {"p": 2}), ("TBackward0", [8], {}), ("AccumulateGrad", [], {"p": 0}),
    ]  # fmt: skip
    facts = TensorFacts([32, 3], "float32", min=-2.0, max=2.0, mean=0.0, std=1.0)
    loss = LossFacts("NllLossBackward0", facts, facts, classes=3, spread=2.0, labels={"0": 10, "1": 12, "2": 10})
    for step in (0, 1, 2, 5, 10, 20, 40, 80):
        story.graph(nodes, value=1.1, step=step, reached=["fc1.weight", "fc2.weight"], losses=[loss])
        story.sample(step, 0.5).order(step, [None], 0.5, 0.5, 0.5 if step else None)
        story.add(
            Units(START, step, 0, [UnitRow("ReluBackward0", 0, "fc1", 8, 32 * (step + 1), step + 1, 1)]),
            Predictions(START, step, 0, "NllLossBackward0", 32, 3, 0.4, 1.0),
            LoaderRows(START, step, 0, True, step + 1, step + 1, 800, 800, labels={"0": 400, "1": 380, "2": 20}),
            StateLoad(START, step, "Net", 6, 6, ["a.b"], ["b"], 4, 4, 4, "a.", 2, 2, 0, 0, at(3)),
            NextToken(START, step, 0, 4, 8, 1.0, 0.0, 1, [0.4, 0.4]),
            ExtraForward(
                START, step, "", "Net", 1.0, "", 0.1, 0, 32, 0.0, 0.4, 0.3, 0.1, 0, True, 31, 0.5, 0.4, ["rnn"]
            ),
        )
    story.add(Loader(START, 0, "Rows", length=25, samples=800, batch_size=32, sampler="SequentialSampler", where=at(7)))
    return story.losses([1.1 - 0.005 * i for i in range(120)]).snapshot()


@settings(quiet, max_examples=300)
@given(st.integers(0, 1 << 32), st.sampled_from([0.002, 0.01, 0.05, 0.2]))
def test_no_check_raises_on_a_usual_run_with_odd_places(seed: int, rate: float) -> None:
    snapshot = mutated(USUAL, Random(seed), rate)
    for registered in CHECKS:
        judged(registered, snapshot)


def test_a_graph_that_runs_in_a_circle_is_judged_to_the_end() -> None:
    nodes = [(op, [0], {}) for op in ("ViewBackward0", "AddmmBackward0")]
    snapshot = Story().model({"w": [2, 2]}).optimizer().series().graph(nodes, value=-1.0).losses([-1.0]).snapshot()
    for registered in CHECKS:
        judged(registered, snapshot)


USUAL = usual()


@settings(quiet, max_examples=5)
@given(snapshots())
def test_the_judge_ranks_whatever_was_raised(snapshot: RunSnapshot) -> None:
    judgement = Judge()(snapshot)
    assert not [one for one in judgement.abstained if one.reason.startswith("check failed")], judgement.abstained
