"""Why a training is paused: the condition that did it, until somebody let it go on."""

from __future__ import annotations

from dlmon.state.run_state import RunState
from dlmon.state.snapshot import PAUSED, TRAINING, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events_watch import Watched
from tests.builders import START, Story


def _state(*controls: tuple[float, str]) -> RunSnapshot:
    story = Story().model({"w": [2, 2]}).series().losses([1.0, 20.0])
    story.host.append(
        Watched(START + 2, "break", "asked the training to pause: `loss > 10`", 2, "`loss > 10` at step 2")
    )
    story.add(*(events.Control(t=START + t, step=2, action=action) for t, action in controls))
    state = RunState(story.folder)
    state.fold_all(story.tagged())
    return state.snapshot(START + 9)


def test_a_break_is_the_reason_of_the_pause() -> None:
    snapshot = _state((3, "paused"))
    assert (snapshot.state, snapshot.detail) == (PAUSED, "`loss > 10` at step 2")
    assert "asked the training to pause: `loss > 10`" in snapshot.notices


def test_a_later_pause_has_another_reason() -> None:
    assert _state((3, "paused"), (4, "resumed")).state == TRAINING
    again = _state((3, "paused"), (4, "resumed"), (5, "paused"))
    assert (again.state, again.detail) == (PAUSED, "")
