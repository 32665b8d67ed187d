"""A condition as words: numbers, names, quoted names, signs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dlmon.watch.trouble import ConditionError

NUMBER, NAME, QUOTED, SIGN, END = "number", "name", "quoted name", "sign", "end"
KEYWORDS = frozenset({"and", "or", "not"})
LONGEST = 1000  # characters

_WORD = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>'[^'\n]*'|"[^"\n]*")
    | (?P<sign><=|>=|==|!=|[-+*/<>().,])
    )""",
    re.VERBOSE,
)
# What people write who come from other languages.
_MEANT = {"&": "and", "|": "or", "!": "not", "=": "=="}


@dataclass(frozen=True)
class Word:
    """kind: one of the constants above. at: its index in the condition."""

    kind: str
    text: str
    at: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind == END else f"`{self.text}`"


def words(text: str) -> list[Word]:
    """All words and the end. Raises ConditionError for characters that belong to none."""
    if len(text) > LONGEST:
        raise ConditionError(f"a condition has at most {LONGEST:,} characters; this one has {len(text):,}", text, 0)
    found: list[Word] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _WORD.match(text, at)
        if match is None:
            raise _unknown(text, at)
        kind = {"number": NUMBER, "name": NAME, "quoted": QUOTED, "sign": SIGN}[match.lastgroup or ""]
        word = match.group(match.lastgroup or "")
        found.append(Word(kind, word[1:-1] if kind == QUOTED else word, match.start(match.lastgroup or "")))
        at = match.end()
    return [*found, Word(END, "", end)]


def _unknown(text: str, at: int) -> ConditionError:
    while text[at].isspace():
        at += 1
    letter = text[at]
    if letter in "'\"":
        return ConditionError("this quoted name has no closing quote", text, at)
    if letter in _MEANT:
        return ConditionError(f"`{letter}` is not understood; write `{_MEANT[letter]}`", text, at)
    if letter.isdigit() or letter == ".":
        return ConditionError("this is no number; write 10, 0.5 or 1e-3", text, at)
    return ConditionError(f"`{letter}` is not understood", text, at)
