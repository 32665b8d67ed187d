"""The top line: one sentence about the run; on narrow screens on two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from dlmon.app.lines import Line, Span, cut, first_that_fits, fit, joined, line, spread, width
from dlmon.app.panels.base import LineWidget
from dlmon.app.source import Frame
from dlmon.checks.finding import ERROR, WARNING, Finding, Judgement
from dlmon.state import snapshot as words
from dlmon.state.snapshot import RunSnapshot
from dlmon.text import about, count, duration, plural, rate

Part = tuple[str, str]

PROMPT_SECONDS = 3.0  # an unfinished line that stands this long and looks like a question is one
_QUESTION = re.compile(r"(?:[:?>]|\(Pdb\)|\[[yn]/[yn]\]|\([yn]/[yn]\))\s*$", re.IGNORECASE)

_ROLES = {
    words.TRAINING: "good", words.EVALUATING: "good", words.FINISHED: "good", words.FAILED: "bad",
    words.STALLED: "warning", words.LOST: "warning", words.STOPPED: "warning", words.PAUSED: "warning",
}  # fmt: skip


def header_lines(frame: Frame, name: str, room: int, height: int, *, frozen: bool = False) -> list[Line]:
    """The sentence in `height` rows (1 or 2). name: what to call the run before anything of it was read."""
    if frame.view is None:
        return [fit(line((f" {name}", "name"), ("   starting", "dim")), room)] + [fit((), room)] * (height - 1)
    snapshot = frame.view.snapshot
    right = joined([*_held(frame, frozen), *_ranks(snapshot), findings_count(frame.view.judgement)])
    title = (script_of(snapshot) or name, "name")
    doing = _asks(frame, snapshot) or _state(snapshot)
    if height == 1:
        return [_one_row(snapshot, doing, title, right, room)]
    # The pace gives way first: what the run is doing and how far it is are what one looks for.
    second = _shorter([*_counts(snapshot), *_pace(snapshot), *_times(snapshot)], 2)
    if not width(second[0]):
        second = [line((" ".join(snapshot.command), "dim"))]
    return [
        spread((Span(" "), *joined([(cut(title[0], 32), "name"), doing])), (*right, Span(" ")), room),
        fit((Span(" "), *first_that_fits(second, room - 2)), room),
    ]


def _one_row(snapshot: RunSnapshot, doing: Part, title: Part, right: Line, room: int) -> Line:
    middle = [*_counts(snapshot), *_pace(snapshot), *_times(snapshot)]
    choices = [(Span(" "), *joined([title, doing, *middle[:keep]])) for keep in range(len(middle), -1, -1)]
    return spread(first_that_fits(choices, room - width(right) - 3), (*right, Span(" ")), room)


def _shorter(parts: Sequence[Part], least: int) -> list[Line]:
    """The parts joined, then with narrower gaps, then without those in the middle."""
    choices = [joined(parts), joined(parts, "  ")]
    kept = list(parts)
    while len(kept) > least:
        kept.pop(-2)
        choices.append(joined(kept))
    return choices


def script_of(snapshot: RunSnapshot) -> str:
    """What the person calls it: the script's file name, else the first word of the command."""
    for word in snapshot.command:
        if word.endswith((".py", ".sh")):
            return PurePosixPath(word).name
    if "-m" in snapshot.command[:-1]:
        return snapshot.command[snapshot.command.index("-m") + 1]
    return PurePosixPath(snapshot.command[0]).name if snapshot.command else ""


def _state(snapshot: RunSnapshot) -> Part:
    return state_words(snapshot), _ROLES.get(snapshot.state, "text")


def _asks(frame: Frame, snapshot: RunSnapshot) -> Part | None:
    """A question at which a live training stands: it waits for a person who looks at another panel."""
    output, question = frame.output, frame.output.partial.strip()
    if snapshot.over or frame.playback is not None or not output.since or not _QUESTION.search(question):
        return None
    if snapshot.now - output.since < PROMPT_SECONDS or snapshot.state in (words.TRAINING, words.EVALUATING):
        return None
    return f"waits at “{cut(question, 28)}”: i answers", "warning"


def state_words(snapshot: RunSnapshot) -> str:
    """`training`; once it is over with how long it took: `failed after 3 min 02 s, exit code 1`."""
    state, detail = snapshot.state, snapshot.detail
    if not snapshot.over:
        return f"{state}, {detail}" if detail else state
    joiner = "in" if state == words.FINISHED else "after"
    text = f"{state} {joiner} {duration(snapshot.elapsed)}"
    if snapshot.exit_code and "exit code" not in detail and not snapshot.signal:
        detail = f"{detail}, exit code {snapshot.exit_code}" if detail else f"exit code {snapshot.exit_code}"
    return f"{text}, {detail}" if detail else text


def _counts(snapshot: RunSnapshot) -> list[Part]:
    parts = [(f"epoch {snapshot.epoch}", "text")] if snapshot.epoch else []
    if snapshot.step or snapshot.total_steps:
        # The total is an estimate: of a run that is over, the steps it took say it all.
        total = f"/{count(snapshot.total_steps)}" if snapshot.total_steps and not snapshot.over else ""
        parts.append((f"step {count(snapshot.step)}{total}", "text"))
    return parts


def _pace(snapshot: RunSnapshot) -> list[Part]:
    pace = "" if snapshot.over else rate(snapshot.timing.rate)
    return [(pace, "text")] if pace else []


def _times(snapshot: RunSnapshot) -> list[Part]:
    if snapshot.over:
        return []
    left = about(snapshot.eta)
    if not snapshot.step:
        return [("just started" if snapshot.elapsed < 1 else f"started {duration(snapshot.elapsed)} ago", "text")]
    return [(duration(snapshot.elapsed) + (f", {left} left" if left else ""), "text")]


def _ranks(snapshot: RunSnapshot) -> list[Part]:
    if snapshot.world < 2:
        return []
    seen = len(snapshot.ranks)
    return [(plural(snapshot.world, "rank") if seen >= snapshot.world else f"{seen} of {snapshot.world} ranks", "text")]


def _held(frame: Frame, frozen: bool) -> list[Part]:
    held = [("view held (v)", "message")] if frozen else []
    if frame.playback is not None:
        held.append(("replay", "message"))
    return held


def open_findings(judgement: Judgement) -> list[Finding]:
    return [finding for finding in judgement.findings if not finding.resolved]


def findings_count(judgement: Judgement) -> Part:
    """`2 findings` in the colour of the worst."""
    found = open_findings(judgement)
    if not found:
        return "", "dim"  # the row below says so
    severities = {finding.severity for finding in found}
    role = "bad" if ERROR in severities else "warning" if WARNING in severities else "hint"
    return plural(len(found), "finding"), role


class Header(LineWidget):
    """The widget."""

    def __init__(self, name: str) -> None:
        super().__init__(id="header")
        self.run_name = name
        self.frozen = False

    def compose_lines(self, room: int, height: int) -> Sequence[Line]:
        return header_lines(self.frame_now, self.run_name, room, height, frozen=self.frozen)
