"""A line of typing in the footer: filter, search, go to step."""

from __future__ import annotations

from collections.abc import Callable

from dlmon.text import clean

_LONGEST = 120


class Prompt:
    """Collects keys. done: called with the text on Enter (and with what it was before on Escape); with `each_key`
    also while typing."""

    def __init__(
        self, question: str, text: str, done: Callable[[str], object], *, each_key: bool = False, hint: str = ""
    ) -> None:
        self.question, self.text = question, text
        self._before, self._done, self._each_key = text, done, each_key
        self._hint = hint or "enter applies, esc drops"

    def line(self) -> tuple[str, str, str]:
        return self.question, self.text, self._hint

    def key(self, key: str, character: str | None) -> bool:
        """Take a key; true when the typing is over."""
        if key == "enter":
            self._done(self.text)
            return True
        if key in ("escape", "ctrl+c"):
            self._done(self._before)
            return True
        if key in ("backspace", "ctrl+h"):
            self.text = self.text[:-1]
        elif key == "ctrl+u":
            self.text = ""
        elif character is not None and character.isprintable():
            self.text = (self.text + character)[:_LONGEST]
        if self._each_key:
            self._done(self.text)
        return False

    def paste(self, text: str) -> None:
        self.text = (self.text + clean(text.splitlines()[0] if text else ""))[:_LONGEST]
        if self._each_key:
            self._done(self.text)
