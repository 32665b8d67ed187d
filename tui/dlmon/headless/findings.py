"""`dlmon findings`: what the checks say of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from dlmon import text
from dlmon.checks.finding import Abstained, Finding, Judgement
from dlmon.plain import plain
from dlmon.record.reader import Tagged
from dlmon.view import RunFollower, View

_JUDGED_EVERY = 2_000  # events


def read(folder: Path) -> View:
    """Everything that is on disk of a run, judged along the way as a screen would have: some faults show in the
    middle of a run only, and not in its last state."""
    now = 0.0

    def remember(events: Sequence[Tagged]) -> None:
        nonlocal now
        now = max([now, *(item.event.t for item in events)])

    follower = RunFollower(folder, tap=remember)
    while follower.advance(limit=_JUDGED_EVERY, seconds=math.inf):
        follower.view(now)
    return follower.view()


def as_json(judgement: Judgement) -> str:
    """The list of findings; those that were resolved since are left out."""
    rows = [plain(finding.as_json()) for finding in judgement.findings if not finding.resolved]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)


def lines(view: View, *, everything: bool) -> list[str]:
    """For a person; `everything`: with the checks that could not judge, and the findings that were resolved."""
    judgement = view.judgement
    standing = [finding for finding in judgement.findings if not finding.resolved]
    resolved = [finding for finding in judgement.findings if finding.resolved]
    steps = text.plural(view.snapshot.step, "step")
    several = view.snapshot.world > 1
    shown = [line for finding in standing for line in _finding(finding, several)]
    if not standing:
        shown = ["; ".join([f"no findings after {steps}", *_waiting(judgement.abstained, everything)])]
    if everything:
        shown += [line for finding in resolved for line in _finding(finding, several)]
        shown += [_abstained(abstained) for abstained in judgement.abstained]
    elif standing:
        shown += _waiting(judgement.abstained, everything)
    return [line for line in shown if line]


def _waiting(abstained: tuple[Abstained, ...], everything: bool) -> list[str]:
    """At most one remark: how many checks could not judge."""
    if not abstained:
        return []
    how = "" if everything else f" ({'--all shows it' if len(abstained) == 1 else '--all shows them'})"
    return [f"{text.plural(len(abstained), 'check')} lacked the facts to judge{how}"]


def _finding(finding: Finding, several: bool) -> list[str]:
    """several: the run has more than one rank, so that it matters which one."""
    head = f"{'resolved' if finding.resolved else finding.severity}  {finding.id}  {text.clean(finding.title)}"
    place = ""
    if finding.where is not None:
        code = f"  {text.clean(finding.where.text)}" if finding.where.text else ""
        place = f"    at {text.clean(finding.where.file)}:{finding.where.line}{code}"
    who = [f"step {text.count(finding.step)}" if finding.step is not None else ""]
    who.append(f"rank {finding.rank}" if several and finding.rank is not None else "")
    since = ", ".join(part for part in who if part)
    return [
        head,
        place,
        f"    since {since}" if since else "",
        f"    {text.clean(finding.advice)}" if finding.advice else "",
    ]


def _abstained(abstained: Abstained) -> str:
    return f"not judged  {abstained.id}  {text.clean(abstained.reason)}"
