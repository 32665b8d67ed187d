"""What a person wrote on a run: tags and a note, as `marks.json` in its folder."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError

FILE = "marks.json"
MOST_TAGS = 20
LONGEST_TAG = 40  # characters
LONGEST_NOTE = 500
_LARGEST = 1 << 16  # bytes of the file: what is longer was not written by dlmon


@dataclass(frozen=True)
class Marks:
    """tags: in the order in which they were given. note: one line."""

    tags: tuple[str, ...] = ()
    note: str = ""

    def with_tags(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Marks:
        """Raises UserError for what cannot be a tag, and for more than 20."""
        gone = set(remove)
        tags = dict.fromkeys([*(tag for tag in self.tags if tag not in gone), *map(tag_of, add)])
        if len(tags) > MOST_TAGS:
            raise UserError(f"a run has at most {MOST_TAGS} tags; this would be {len(tags)}")
        return Marks(tuple(tags), self.note)

    def with_note(self, note: str) -> Marks:
        return Marks(self.tags, _line(note)[:LONGEST_NOTE])


def tag_of(text: str) -> str:
    """A tag as it is kept. Raises UserError for an empty one, one with blanks, or a long one."""
    tag = text.strip()
    if not tag or len(tag) > LONGEST_TAG or not tag.isprintable() or any(sign.isspace() or sign == "," for sign in tag):
        shown = "".join(sign if sign.isprintable() else "?" for sign in text)
        raise UserError(f"{shown!r} cannot be a tag: one word of at most {LONGEST_TAG} characters, without a comma")
    return tag


def read_marks(folder: Path) -> Marks:
    """The marks of a run; none where there is no file, or one that cannot be read."""
    try:
        with (folder / FILE).open("rb") as file:
            row = json.loads(file.read(_LARGEST))
        tags, note = row.get("tags", []), row.get("note", "")
    except (OSError, ValueError, AttributeError, RecursionError):
        return Marks()
    kept = [_line(tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    words = [tag[:LONGEST_TAG] for tag in kept if tag and " " not in tag]
    return Marks(tuple(dict.fromkeys(words))[:MOST_TAGS], _line(note)[:LONGEST_NOTE] if isinstance(note, str) else "")


def write_marks(folder: Path, marks: Marks) -> None:
    """Replace the marks in one piece; without any, the file goes. Raises OSError."""
    target = folder / FILE
    if marks == Marks():
        target.unlink(missing_ok=True)
        return
    scratch = folder / f".{FILE}.{os.getpid()}"
    try:
        scratch.write_text(json.dumps({"tags": list(marks.tags), "note": marks.note}) + "\n", encoding="utf-8")
        scratch.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def _line(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
