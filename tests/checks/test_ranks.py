from __future__ import annotations

from collections.abc import Sequence

from dlmon.checks.finding import Finding
from dlmon.checks.registry import Judge
from dlmon.state.run_state import RunState
from dlmon_probes.events_machine import Checksum, Pace
from tests.builders import START, STEP, Story

IDS = ("rank.diverged", "rank.straggler", "rank.silent")


def judged(*stories: Story, now: float | None = None) -> list[Finding]:
    state = RunState(stories[0].folder)
    host, *tagged = (item for story in stories for item in story.tagged())
    state.fold_all(sorted([host, *tagged], key=lambda item: item.event.t))
    findings = Judge()(state.snapshot(stories[0].now if now is None else now)).findings
    return [finding for finding in findings if finding.id in IDS]


def sums(
    rank: int, values: Sequence[float], steps: Sequence[int], replicated: bool = False, drift: float = 1.0
) -> Story:
    """A rank whose weight sums to these values at these steps."""
    run = Story(rank).model({"fc.weight": [4, 8], "fc.bias": [4]}).series().losses([1.0 / (i + 1) for i in range(50)])
    for step, value in zip(steps, values, strict=True):
        t = START + 1 + step * STEP
        bits = int(value * 1e9)
        run.add(Checksum(t, step, 0, rank, 2, [0, 1], [bits, 7], [value * drift, 0.0], replicated))
    return run


STEPS = [0, 1, 2, 5]


def test_ranks_that_nobody_reduces_gradients_for() -> None:
    found = judged(sums(0, [1, 2, 3, 4], STEPS), sums(1, [1, 2.5, 3.5, 4.5], STEPS))
    assert [(f.id, f.severity, f.step) for f in found] == [("rank.diverged", "hint", 1)]
    assert "fc.weight" in found[0].title and "fc.bias" not in found[0].title and found[0].where is not None


def test_ranks_of_a_wrapper_that_keeps_them_equal() -> None:
    found = judged(sums(0, [1, 2, 3, 4], STEPS, True), sums(1, [1, 2.5, 3.5, 4.5], STEPS, True))
    assert found[0].severity == "error"


def test_ranks_that_agree() -> None:
    assert judged(sums(0, [1, 2, 3, 4], STEPS), sums(1, [1, 2, 3, 4], STEPS)) == []


def test_ranks_that_average_now_and_then() -> None:
    assert judged(sums(0, [1, 2, 3, 4], STEPS), sums(1, [1, 2.5, 3, 4.5], STEPS)) == []


def test_ranks_that_own_different_parts() -> None:
    found = judged(sums(0, [1, 2, 3, 4], STEPS), sums(1, [5, 6, 7, 8], STEPS))
    assert [f.severity for f in found] == ["hint"], "experts and shards differ from the first step on"


def test_a_last_bit_is_no_divergence() -> None:
    one, other = sums(0, [1, 2, 3, 4], STEPS), Story(1)
    other = sums(1, [1.0, 2.00000001, 3.00000001, 4.00000001], STEPS)
    assert judged(one, other) == []


def test_steps_that_only_one_rank_was_looked_at_in() -> None:
    assert judged(sums(0, [1, 2], [0, 2]), sums(1, [5, 6], [1, 3])) == []


def paced(rank: int, before: float, whole: float = 0.1, count: int = 6) -> Story:
    run = Story(rank).series().losses([1.0 / (i + 1) for i in range(50)])
    return run.add(*(Pace(START + 1 + i * STEP, i + 1, rank, before, whole) for i in range(count)))


def test_a_rank_that_the_others_wait_for() -> None:
    found = judged(paced(0, 0.01), paced(1, 0.06), paced(2, 0.012))
    assert [(f.id, f.severity, f.rank) for f in found] == [("rank.straggler", "warning", 1)]
    assert "rank 1 reaches its backward after 60.0 ms, the others after 11.0 ms" in found[0].title


def test_ranks_of_one_pace_and_steps_too_short_to_matter() -> None:
    assert judged(paced(0, 0.05), paced(1, 0.06), paced(2, 0.055)) == []
    assert judged(paced(0, 0.001, 0.01), paced(1, 0.006, 0.01)) == []
    assert judged(paced(0, 0.01, count=4), paced(1, 0.06, count=4)) == []


def test_a_rank_that_fell_silent() -> None:
    quick, dead = Story(0).series().losses([1.0 / (i + 1) for i in range(500)]), Story(1).series().losses([1.0] * 20)
    found = judged(quick, dead)
    assert [(f.id, f.severity, f.rank) for f in found] == [("rank.silent", "error", 1)]
    assert "said nothing for 48 s (step 20)" in found[0].title


def test_a_rank_that_said_goodbye_or_is_only_a_little_late() -> None:
    from dlmon_probes import events

    quick, done = Story(0).series().losses([1.0 / (i + 1) for i in range(500)]), Story(1).series().losses([1.0] * 20)
    assert judged(quick, done.add(events.End(done.now, 20))) == []
    late = Story(1).series().losses([1.0 / (i + 1) for i in range(300)])
    assert judged(quick, late) == []
