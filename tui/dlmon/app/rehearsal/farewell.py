"""The last line, when the screen is gone and with it what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlmon.app.rehearsal.stand import stand_of
from dlmon.runs import short, shown_name

if TYPE_CHECKING:
    from dlmon.rehearsal.driver import RehearsalLike


def farewell(rehearsal: RehearsalLike) -> str:
    """`3 passed, 1 failed, recorded in dlmon_runs/…; come back with: dlmon attach …`."""
    tally = stand_of(rehearsal.record, rehearsal.wanted).tally() or "no stage has ended"
    going = f"{rehearsal.record.going[0]} goes on; " if rehearsal.record.going else ""
    folder = rehearsal.folder
    return f"{going}{tally}, recorded in {short(folder)}; come back with: dlmon attach {shown_name(folder)}"
