"""A rehearsal without a screen: how it goes on stderr, what came out on stdout."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dlmon import text
from dlmon.headless import annotations as github
from dlmon.headless import junit as junit_xml
from dlmon.headless.console import PREFIX, Console
from dlmon.headless.report_table import in_ascii, sign, table
from dlmon.plain import plain
from dlmon.record import layout
from dlmon.rehearsal.conclusion import exit_code
from dlmon.rehearsal.report import Record, StageReport
from dlmon.state.snapshot import RunSnapshot
from dlmon.view import RunFollower

STATUS_SECONDS = 15.0  # between lines about a stage that goes on, where they stay on the page
REDRAW_SECONDS = 0.5  # … and where they are overwritten
FALLBACK_WIDTH = 100  # columns where nothing says how wide the page is
LEAST_WIDTH = 60


class Narration:
    """Progress on stderr. On a terminal the line of the stage that goes on is overwritten; elsewhere it is a line now
    and then. Not thread-safe. clock: in seconds."""

    def __init__(self, folder: Path, *, ascii: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console()
        self._clock = clock
        self._ascii = ascii
        self._redraws = sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"
        self._stage = ""
        self._began = self._due = 0.0
        self._follower: RunFollower | None = None
        self._drawn = False
        self._say(f"rehearsal in {text.clean(str(folder))}")

    def begun(self, stage: str, folder: Path | None) -> None:
        """A stage goes on. folder: of its run, None where nothing runs."""
        self._stage, self._began = stage, self._clock()
        self._follower = RunFollower(folder) if folder is not None else None
        self._due = self._began + (0.0 if self._redraws else STATUS_SECONDS)
        self.going()

    def going(self) -> None:
        """To be called a few times a second while the stage goes on."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + (REDRAW_SECONDS if self._redraws else STATUS_SECONDS)
        line = f"{self._stage} … {text.duration(now - self._began)}{self._standing()}"
        if not self._redraws:
            self._say(line)
            return
        width = shutil.get_terminal_size((FALLBACK_WIDTH, 24)).columns
        self._write(f"\r\x1b[K{self._shown(PREFIX + line)[: max(1, width - 1)]}")
        self._drawn = True

    def ended(self, report: StageReport) -> None:
        """A stage has its verdict."""
        self._say(finished_line(report, ascii=self._ascii))
        self._follower = None

    def stopped(self, signal: str) -> None:
        """The rehearsal itself was told to end."""
        self._say(f"stopped by {signal}; what ran until now is kept")

    def _standing(self) -> str:
        """`, step 120, loss 0.43`, as far as the run's log can be read in a moment."""
        follower = self._follower
        if follower is None or not (follower.folder / layout.MANIFEST).exists():
            return ""
        follower.advance()
        return standing_text(follower.state.snapshot(None))

    def _say(self, line: str) -> None:
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False
        self._console.say([self._shown(line)])

    def _shown(self, line: str) -> str:
        return in_ascii(line) if self._ascii else line

    def _write(self, data: str) -> None:
        try:
            sys.stderr.write(data)
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def finished_line(report: StageReport, *, ascii: bool = False) -> str:
    """`smoke … ✓ pass 3.1 s  first loss 1.096, expected ln 3 = 1.099`."""
    took = f" {text.duration(report.seconds)}" if report.seconds else ""
    return f"{report.name} … {sign(report.verdict, ascii=ascii)} {report.verdict}{took}  {text.clean(report.summary)}"


def standing_text(snapshot: RunSnapshot) -> str:
    if not snapshot.step:
        return "" if snapshot.over else f", {snapshot.state}"
    losses = [series for series in snapshot.series if series.source == "loss" and series.count]
    shown = "".join(f", {text.clean(series.name)} {text.number(series.last)}" for series in losses[:2])
    return f", step {text.count(snapshot.step)}{shown}"


def print_result(
    record: Record, folder: Path, *, as_json: bool, junit: str | None = None, strict: bool = False,
    ascii: bool = False,
) -> int:  # fmt: skip
    """Print what came out, on stdout; the exit code of the command. Raises UserError where the `junit` file cannot be
    written, after everything was printed."""
    console = Console()
    code = exit_code(record, strict)
    commands = github.lines(record) if os.environ.get("GITHUB_ACTIONS") == "true" else []
    if as_json:
        row = plain(record.as_json(code))
        console.data([json.dumps(row, indent=1, ensure_ascii=False, allow_nan=False)])
        _to_stderr(commands)
    else:
        width = max(LEAST_WIDTH, shutil.get_terminal_size((FALLBACK_WIDTH, 24)).columns)
        console.data([*table(record, folder, width=width, ascii=ascii), *commands])
    if junit is not None:
        junit_xml.write(Path(junit), record, strict=strict)
    return code


def _to_stderr(commands: list[str]) -> None:
    """GitHub reads its commands in both streams; they must begin their line."""
    if commands:
        sys.stderr.write("".join(f"{line}\n" for line in commands))
        sys.stderr.flush()
