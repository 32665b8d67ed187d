"""The lines at the end of a run without a screen."""

from __future__ import annotations

from pathlib import Path

from dlmon import text
from dlmon.headless.narrator import evaluation_line, finding_lines, label, losses
from dlmon.runs import short, shown_name
from dlmon.state import snapshot as words
from dlmon.state.snapshot import RunSnapshot, SeriesView
from dlmon.view import View


def summary(view: View, folder: Path) -> list[str]:
    """How it ended, the losses, the last evaluation, what is wrong, and where the record is."""
    snapshot = view.snapshot
    lines = [ending(snapshot)]
    lines += [loss_line(series) for series in losses(snapshot)]
    if snapshot.evaluations:
        lines.append("last " + evaluation_line(snapshot.evaluations[-1]))
    standing = [finding for finding in view.judgement.findings if not finding.resolved]
    if standing:
        lines.append(f"{text.plural(len(standing), 'finding')}:")
        lines += ["  " + line for finding in standing for line in finding_lines(finding)]
    elif snapshot.step:
        lines.append("no findings")
    lines.append(f"recorded in {short(folder)}; look at it again with: dlmon replay {shown_name(folder)}")
    return lines


def ending(snapshot: RunSnapshot) -> str:
    """`finished after 3 min 02 s, 4,000 steps, exit code 0`."""
    parts = [f"{snapshot.state} after {text.duration(snapshot.elapsed)}"]
    if snapshot.step:
        parts.append(text.plural(snapshot.step, "step"))
    if snapshot.exit_code is not None:
        by = f" ({snapshot.signal})" if snapshot.signal else ""
        parts.append(f"exit code {snapshot.exit_code}{by}")
    elif snapshot.detail:
        parts.append(text.clean(snapshot.detail))
    if snapshot.state == words.FINISHED and not snapshot.step:
        parts.append("no training step was seen")
    return ", ".join(parts)


def loss_line(series: SeriesView) -> str:
    """`loss 1.096 at the start, 0.0711 at step 3,999, lowest 0.0702`."""
    first = f"{text.number(series.first[0][1])} at the start, " if series.first else ""
    lowest = min((low for low in series.points.low), default=None)
    end = f"{text.number(series.last)} at step {text.count(series.last_step)}"
    return f"{label(series)} {first}{end}" + (f", lowest {text.number(lowest)}" if lowest is not None else "")
