"""The budget holds whatever the samples cost, and the first steps are always looked at."""

from hypothesis import given
from hypothesis import strategies as st

from dlmon_probes.training.governor import ALWAYS_FIRST, ANOMALIES, EARLY, Governor


def train(governor: Governor, steps: int, dt: float, always: float, sample: float) -> list[bool]:
    """Pretend to train: each step takes dt, costs `always`, and `sample` more when it is sampled."""
    sampled = [True]
    now = 0.0
    for _ in range(steps):
        governor.pay(always)
        if sampled[-1]:
            governor.pay_for("gradients", sample)
        now += dt
        sampled.append(governor.next_step(now, dt))
    return sampled


def test_the_first_steps_are_sampled_whatever_they_cost() -> None:
    assert train(Governor(0.001), 5, dt=0.01, always=0.0, sample=10.0)[:ALWAYS_FIRST] == [True] * ALWAYS_FIRST


@given(
    dt=st.floats(1e-3, 1.0),
    sample=st.floats(1e-5, 0.5),
    budget=st.floats(0.002, 0.2),
)
def test_samples_keep_within_the_budget(dt: float, sample: float, budget: float) -> None:
    governor = Governor(budget)
    train(governor, 3_000, dt + sample, always=0.0, sample=sample)
    assert governor.spent <= budget * governor.step_seconds + sample


def test_cheap_samples_are_no_more_frequent_than_a_screen_can_show() -> None:
    sampled = train(Governor(0.5), 10_000, dt=0.001, always=0.0, sample=1e-6)
    assert 20 <= sum(sampled) <= 20 + len(EARLY)  # 10 seconds at two a second, and the early steps


def test_always_on_work_over_the_budget_leaves_a_quarter_of_it_for_samples() -> None:
    sampled = train(Governor(0.01), 1_000, dt=0.001, always=5e-5, sample=1e-4)
    assert len(EARLY) < sum(sampled) <= len(EARLY) + 1 + 0.0025 * 1.0 / 1e-4
    assert Governor(0.01).overhead == 0.0


def test_anomalies_are_sampled_but_not_forever() -> None:
    governor = Governor(0.01)
    assert [governor.anomaly() for _ in range(ANOMALIES + 3)] == [True] * ANOMALIES + [False] * 3


def test_the_event_tells_what_was_done_and_left_out() -> None:
    governor = Governor(0.01)
    governor.pay_for("graph", 0.5)
    governor.skip("activations")
    governor.next_step(1.0, 1.0)
    event = governor.event(7)
    assert (event.step, event.budget, event.sampled, event.skipped) == (7, 0.01, {"graph": 1}, {"activations": 1})
    assert event.seconds == {"graph": 0.5, "start-up": 0.5}
