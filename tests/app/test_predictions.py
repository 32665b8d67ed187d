"""The box on what the model answered: numbers by hand, every task, hostile names, the smallest screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dlmon.app import predictions_text
from dlmon.app.lines import text_of as line_text
from dlmon.app.source import Frame
from dlmon.state.snapshot import PredictionsView, RunSnapshot
from dlmon.view import View
from dlmon_probes.events_predictions import Predictions, Sample
from tests.app import frames
from tests.app.screen import opened, text_of

# 10 cats, 4 of them taken for dogs; 10 dogs, all found; 5 birds, 1 taken for a cat
PETS: dict[str, Any] = {
    "task": "classes", "samples": 25, "looked_at": 25, "classes": 3, "class_names": ["cat", "dog", "bird"],
    "confusion": [[0, 0, 6], [0, 1, 4], [1, 1, 10], [2, 0, 1], [2, 2, 4]], "right": 0.8, "top": {"1": 0.8},
    "wrong": [Sample(3, 117, 0, 1, confidence=0.97, actual_probability=0.02, loss=3.9)],
}  # fmt: skip


def event(**fields: Any) -> Predictions:
    return Predictions(**({"t": frames.NOW, "step": 1280, "loader": 1, "name": "val", "samples": 25} | fields))


def snapshot(*passes: Predictions) -> RunSnapshot:
    view = frames.frame().view
    assert view is not None
    return replace(view.snapshot, predictions=tuple(PredictionsView(0, one) for one in passes))


def shown(*passes: Predictions, room: int = 90) -> str:
    lines = [line_text(line) for line in predictions_text.lines(snapshot(*passes), room)]
    assert all(len(line) <= room for line in lines), [line for line in lines if len(line) > room]
    return "\n".join(lines)


def test_classes_mistakes_and_samples() -> None:
    text = shown(event(**PETS))
    assert "evaluation “val”" in text and "after step 1,280, 25 samples" in text
    assert "right 80 %" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["cat", "86", "%", "60", "%", "10"] in rows  # 6 of 7 said to be cats, 6 of 10 cats
    assert ["dog", "71", "%", "100", "%", "10"] in rows
    assert text.index("\ncat ") < text.index("\ndog ") < text.index("\nbird ")  # worst first
    assert "cat taken for dog: 4, 40 % of cat" in text
    assert ["117", "3", "cat", "dog", "97", "%", "2.0", "%", "3.90"] in rows


def test_the_last_pass_that_was_counted_is_shown() -> None:
    text = shown(event(**PETS, step=5), event(**(PETS | {"right": 0.5}), step=9), event(step=9, reason="no targets"))
    assert "step 9" in text and "right 50 %" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "several tensors could be the targets: [1], [2]"}, "not counted: several tensors could be"),
        (
            {"task": "values", "looked_at": 25, "mae": 0.5, "rmse": 0.75, "r2": 0.9,
             "quantiles": {"0": -2.0, "0.5": 0.1}, "wrong": [Sample(1, 7, 3.0, 5.0, error=2.0)]},
            "mean absolute error 0.500   root mean square error 0.750   R² 0.900",
        ),
        (
            {"task": "labels", "looked_at": 25, "classes": 2, "class_names": ["hat", "tie"], "right": 0.5,
             "confusion": [[0, 3, 5], [1, 2, 2]], "wrong": [Sample(0, 4, confidence=0.9, wrong=[1, -1])]},
            "tie, no hat",
        ),
        (
            {"task": "pixels", "looked_at": 20, "positions": 4000, "stride": 3, "classes": 2, "right": 0.9,
             "confusion": [[0, 0, 3600], [1, 0, 400]], "wrong": [Sample(0, 4, 1, 0, error=0.25)]},
            "by 20 of 25 samples: more would have cost too much, 4,000 positions, each 3. one of them",
        ),
        (
            {"task": "tokens", "looked_at": 25, "positions": 100, "classes": 50000, "right": 0.25, "perplexity": 31.4,
             "wrong": [Sample(0, 4, 11, 12, position=7, loss=9.0)]},
            "perplexity 31.4",
        ),
    ],
    ids=["abstained", "values", "labels", "pixels", "tokens"],
)  # fmt: skip
@pytest.mark.parametrize("room", [40, 72, 110])
def test_each_task(fields: dict[str, Any], said: str, room: int) -> None:
    text = shown(event(**fields), room=room)
    assert " ".join(said.split()) in " ".join(text.split())


def test_nothing_yet_says_what_it_waits_for() -> None:
    assert shown() == predictions_text.WAITING
    assert [line_text(line) for line in predictions_text.lines(None, 80)] == [predictions_text.WAITING]


def test_names_from_a_log_cannot_reach_the_terminal() -> None:
    text = shown(event(**(PETS | {"class_names": ["\x1b[2Jcat", "[red]dog\x07", "b" * 80], "name": "\x1b]0;x\x07"})))
    assert "\x1b" not in text and "\x07" not in text
    assert "[red]dog" in text  # as it is, not as markup


def frame(*passes: Predictions) -> Frame:
    made = frames.frame()
    assert made.view is not None
    return replace(made, view=View(snapshot(*passes), made.view.judgement))


@pytest.mark.parametrize("ascii", [False, True])
async def test_p_opens_it_on_the_smallest_screen(ascii: bool) -> None:
    async with opened(frame(event(**PETS)), (80, 24), ascii=ascii) as (monitor, pilot):
        before = text_of(monitor)
        await pilot.press("p")
        await pilot.pause()
        text = text_of(monitor)
        assert "predictions" in text and "right 80 %" in text
        assert all(len(row) <= 80 for row in text.splitlines())
        assert text.isascii() or not ascii
        await pilot.press("escape")
        await pilot.pause()
        assert text_of(monitor) == before
