"""`dlmon check` and `dlmon step`: a rehearsal without a screen and with one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from dlmon.launch import command
from dlmon.launch.command import Command
from dlmon.rehearsal.stages import OPTIONAL, STAGES, Options, chosen
from dlmon.runs import runs_folder

if TYPE_CHECKING:
    from dlmon.rehearsal.driver import Rehearsal

POLL_SECONDS = 0.05
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Order:
    """What was asked for. build: makes the command; called anew for each run, since the script may be edited."""

    build: Callable[[], Command]
    runs: Path
    name: str | None
    stages: str | None
    options: Options
    command_line: Mapping[str, Any]

    def rehearsal(self, wanted: Sequence[str], *, attended: bool = False) -> Rehearsal:
        """Make it. Raises UserError."""
        from dlmon.rehearsal.driver import Rehearsal

        return Rehearsal.new(
            self.build, self.runs, wanted, self.options, name=self.name, attended=attended,
            command_line=self.command_line,
        )  # fmt: skip


def order(
    argv: Sequence[str],
    *,
    module: str | None,
    literal: bool,
    python: str | None,
    runs_dir: str | None,
    name: str | None,
    stages: str | None,
    timeout: float,
    overfit_steps: int,
    fraction: float,
    compile: bool,
) -> Order:
    """Raises UserError for options out of their bounds and for unknown stages."""
    options = Options(overfit_steps=overfit_steps, fraction=fraction, timeout=timeout, compile=compile)
    chosen(stages)
    return Order(
        lambda: command.build(argv, module=module, literal=literal, python=python),
        runs_folder(runs_dir), name, stages, options, {"literal": literal, "python": python},
    )  # fmt: skip


class _Stopped(BaseException):
    """A signal asked the rehearsal to end."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def _stoppable() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Stopped(number)

    before = {number: signal.signal(number, stop) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check(asked: Order, *, as_json: bool, junit: str | None, strict: bool, ascii: bool) -> int:
    """Run the stages, say how they go on stderr, and print the verdicts on stdout."""
    from dlmon.headless.rehearsal import Narration, print_result
    from dlmon.rehearsal.conclusion import why_passed_by

    with _stoppable():
        rehearsal = asked.rehearsal(chosen(asked.stages))
        narration = Narration(rehearsal.folder, ascii=ascii)
        try:
            for stage in rehearsal.wanted:
                why = why_passed_by(rehearsal.record.reports, stage)
                if why:
                    narration.ended(rehearsal.skip(stage, why))
                    continue
                running = rehearsal.begin(stage)
                narration.begun(stage, running.folder)
                while (report := running.poll()) is None:
                    narration.going()
                    time.sleep(POLL_SECONDS)
                narration.ended(report)
        except _Stopped as stopped:
            rehearsal.close()
            narration.stopped(signal.Signals(stopped.number).name)
            return 128 + stopped.number
        finally:
            rehearsal.close()
    return print_result(rehearsal.record, rehearsal.folder, as_json=as_json, junit=junit, strict=strict, ascii=ascii)


def come_back(folder: Path, *, ascii: bool, theme: str | None) -> int:
    """`dlmon attach` on a rehearsal: the screen once more, where it was left. Raises UserError."""
    from dlmon.app.main import run_rehearsal
    from dlmon.arguments import target
    from dlmon.rehearsal.driver import Rehearsal
    from dlmon.rehearsal.report import read_record

    record = read_record(folder)
    line = record.options if record is not None else {}
    argv, module, _ = target(list(record.argv) if record is not None else [])
    if record is not None:
        os.chdir(record.cwd)

    def build() -> Command:
        return command.build(argv, module=module, literal=bool(line.get("literal")), python=line.get("python"))

    rehearsal = Rehearsal.reopen(folder, build)
    try:
        return run_rehearsal(rehearsal, ascii=ascii, theme=theme)
    finally:
        rehearsal.close()


def step(asked: Order, *, ascii: bool, theme: str | None) -> int:
    """The rehearsal on the screen; without a terminal, `check`."""
    from dlmon.commands.run import Look

    look = Look(ascii=ascii, theme=theme)
    look.check()
    if not look.on_screen:
        return check(asked, as_json=False, junit=None, strict=False, ascii=ascii)
    from dlmon.app.main import run_rehearsal

    wanted = chosen(asked.stages) if asked.stages else [stage for stage in STAGES if stage not in OPTIONAL]
    rehearsal = asked.rehearsal(wanted, attended=True)
    try:
        return run_rehearsal(rehearsal, ascii=ascii, theme=theme)
    finally:
        rehearsal.close()
