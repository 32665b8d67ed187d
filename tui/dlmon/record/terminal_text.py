"""Terminal output as plain lines: escape sequences out, carriage returns and backspaces carried out.

A child's output is untrusted: nothing that this module returns holds a control character of any kind.
"""

from __future__ import annotations

import re

LONGEST_LINE = 4096  # characters shown of one line
LONGEST_FRAME = 1 << 16  # characters of one line held while its end has not come

_CLEAR, _UP = "\x00", "\x01"  # stand for "clear the line" and "one line up" once the real ones are gone

# Anything that needs more than splitting at newlines; bidirectional overrides can hide text as escapes can.
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_SPECIAL = re.compile(f"[{_CONTROL}]")
_IGNORED = re.compile("[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ERASE = re.compile("(?:\x1b\\[|\x9b)[0-2]?K")
_CURSOR_UP = re.compile("(?:\x1b\\[|\x9b)([0-9]{0,3})[AF]")
# No sequence reaches over the end of a line, so a line can be cleaned without its neighbours. A broken one loses what
# was recognised of it.
_STRING_BODY = "[^\x00\x01\x07\x08\x1b\x9c\r\n]{0,4096}"
_SEQUENCE = re.compile(
    f"(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING_BODY}(?:\x07|\x1b\\\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    "|(?:\x1b\\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]?"  # CSI
    "|\x1b[ -/]{0,4}[0-~]?"  # two characters and more
    "|[\x07\x80-\x9f]"
)
_MOST_UP = 64  # a redraw never reaches further: it would tear the log's history


def clean_block(text: str) -> list[tuple[int, str]]:
    """Complete lines (text without the last newline) as (lines to take back before it, line)."""
    text = text.replace("\r\n", "\n")
    if _SPECIAL.search(text) is None:
        return [(0, _cut(line)) for line in text.expandtabs(8).split("\n")]
    return [_carry_out(line) for line in _without_sequences(text).expandtabs(8).split("\n")]


def clean_line(text: str) -> str:
    """One line, complete or not, as a terminal would show it."""
    return _carry_out(_without_sequences(text).expandtabs(8))[1]


def compact(text: str) -> str:
    """An unfinished line of many frames in fewer characters: what they left on the line, and the last frame."""
    head, _, frame = text.rpartition("\r")
    if not head:
        return text
    plain = _without_sequences(head)
    return "\x1b[A" * min(plain.count(_UP), _MOST_UP) + _overwrite(plain.replace(_UP, "")) + "\r" + frame


def _without_sequences(text: str) -> str:
    text = _IGNORED.sub("", text)
    if "\x1b" in text or "\x9b" in text:
        text = _ERASE.sub(_CLEAR, text)
        text = _CURSOR_UP.sub(lambda match: _UP * min(int(match[1] or 1), _MOST_UP), text)
    return _SEQUENCE.sub("", text)


def _carry_out(line: str) -> tuple[int, str]:
    up = line.count(_UP)
    if up:
        line = line.replace(_UP, "")
    if "\r" in line or "\b" in line or _CLEAR in line:
        line = _overwrite(line)
    return min(up, _MOST_UP), _cut(line)


def _overwrite(line: str) -> str:
    """What is left on the line when each frame was written over the one before."""
    shown = ""
    for frame in line.split("\r"):
        if _CLEAR in frame:
            frame, shown = frame.replace(_CLEAR, ""), ""
        if "\b" in frame:
            frame = _backspace(frame)
        shown = frame + shown[len(frame) :]
    return shown


def _backspace(frame: str) -> str:
    first, *rest = frame.split("\b")
    kept = list(first)
    for piece in rest:
        if kept:
            kept.pop()
        kept.extend(piece)
    return "".join(kept)


def _cut(line: str) -> str:
    line = line.rstrip()
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"
