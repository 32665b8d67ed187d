"""What is wrong with a condition, and at which character."""

from __future__ import annotations

from dlmon.errors import UserError

_BEFORE, _AFTER = 50, 30  # characters around the place: a condition may be longer than a terminal is wide


class ConditionError(UserError):
    """Three lines: what is wrong, the condition, and a caret below the place. at: its index in `text`."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        super().__init__(problem)
        self.problem, self.text, self.at = problem, text, at
        self.args = (self.shown("condition"),)

    def shown(self, option: str) -> str:
        """With the option that the condition was given to in front."""
        start = max(0, self.at - _BEFORE)
        part = "".join(letter if letter.isprintable() else " " for letter in self.text[start : self.at + _AFTER])
        return f"{option}: {self.problem}\n  {part}\n  {' ' * (self.at - start)}^"
