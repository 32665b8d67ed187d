"""The top line: one sentence about the rehearsal and what to press."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.lines import Line, Span, cut, first_that_fits, joined, spread, width
from dlmon.app.panels.base import LineWidget
from dlmon.app.rehearsal.checklist import seconds
from dlmon.app.rehearsal.stand import Scene, all_over
from dlmon.rehearsal.report import FAIL
from dlmon.text import count
from dlmon_probes.stages.plan import FULL

Part = tuple[str, str]


def headline(scene: Scene, room: int) -> Line:
    """`train.py   overfit runs   step 120   3.4 s   space pauses, b aborts        auto   3 passed`."""
    auto = ("auto" if scene.auto else "", "message")
    name = (cut(scene.stand.script, 32), "name")
    choices = [(Span(" "), *joined([name, *parts])) for parts in _sentence(scene)]
    right = joined([auto, (scene.stand.tally(), "dim")])
    if width(choices[0]) > room - width(right) - 3:
        right = joined([auto])  # the checklist counts, too
    return spread(first_that_fits(choices, room - width(right) - 3), (*right, Span(" ")), room)


def _sentence(scene: Scene) -> list[list[Part]]:
    """The same in fewer and fewer words."""
    if scene.stand.running:
        return _while_running(scene)
    told, keys = _between(scene)
    parts = keys.split(", ")
    return [[told, (", ".join(parts[:kept]), "key")] for kept in range(len(parts), -1, -1)]


def _while_running(scene: Scene) -> list[list[Part]]:
    stage, snapshot = scene.stand.running, scene.snapshot
    steps = f"step {count(snapshot.step)}" if snapshot is not None and snapshot.step else ""
    if scene.paused:
        told = (f"{stage} paused after {steps or 'no step'}", "warning")
        return [[told, (". does one step, space goes on", "key")], [told, (". steps, space goes on", "key")], [told]]
    full = stage == FULL
    told = ("the full run goes on" if full else f"{stage} runs", "good")
    facts: list[Part] = [(steps, "text"), (seconds(scene.seconds), "text")]
    keys = ("g opens it, b stops it" if full else "space pauses, b aborts", "key")
    return [[told, *facts, keys], [told, *facts], [told]]


def _between(scene: Scene) -> tuple[Part, str]:
    """What has been shown so far, and the keys that go on from here."""
    stand = scene.stand
    onward = f"enter runs {scene.enter_runs}" if scene.enter_runs else ""
    report = scene.report
    failed = scene.chosen if report is not None and report.verdict == FAIL else next(iter(stand.failed), "")
    if failed:
        again = "edit and press r" if failed == scene.chosen else onward
        return (f"{failed} failed", "bad"), f"{again}, e shows the evidence" if again else "e shows the evidence"
    over = all_over(stand)
    if over and FULL in stand.reports:
        return ("the full run is over", "good"), "e shows the evidence, q leaves"
    if over:
        return (over, "good"), "g goes on to the full run"
    if not stand.reports:
        return (f"{scene.enter_runs or scene.chosen} is next", "text"), f"{onward}, a all until one fails"
    last = f"{scene.chosen} {_WORDS[report.verdict]}" if report is not None and report.verdict in _WORDS else ""
    told = last or f"{scene.enter_runs or scene.chosen} is next"
    return (told, "text"), f"{onward}, a all until one fails" if onward else "choose a stage with the arrows"


_WORDS = {"pass": "passed", "inconclusive": "is inconclusive", "skipped": "was skipped"}


class Headline(LineWidget):
    """The widget."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(id="header")
        self.scene = scene

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:  # noqa: ARG002
        return [headline(self.scene, room)]
