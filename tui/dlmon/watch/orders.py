"""What was asked for on the command line, checked before anything is started, and as it is handed to the watcher."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dlmon.errors import UserError
from dlmon.watch.parse import Condition, parse
from dlmon.watch.trouble import ConditionError


@dataclass(frozen=True)
class Orders:
    """Conditions as text. on_finding: a shell command, "" for none."""

    break_when: Sequence[str] = ()
    stop_when: Sequence[str] = ()
    on_finding: str = ""

    @property
    def any(self) -> bool:
        return bool(self.break_when or self.stop_when or self.on_finding)

    def check(self) -> None:
        """Raises UserError, with a caret below the place, for a condition that cannot be understood."""
        for option, texts in (("--break-when", self.break_when), ("--stop-when", self.stop_when)):
            for text in texts:
                try:
                    parse(text)
                except ConditionError as error:
                    error.args = (error.shown(option),)
                    raise
        if self.on_finding.strip() != self.on_finding or "\0" in self.on_finding:
            raise UserError("--on-finding: give a shell command, without blanks around it")

    def conditions(self) -> list[tuple[str, Condition]]:
        """(what to do, condition), in the order of the command line."""
        return [*((BREAK, parse(text)) for text in self.break_when), *((STOP, parse(text)) for text in self.stop_when)]

    def encoded(self) -> str:
        return json.dumps(asdict(self))


BREAK, STOP = "break", "stop"


def decoded(text: str) -> Orders:
    """What `encoded` gave."""
    return Orders(**json.loads(text))
