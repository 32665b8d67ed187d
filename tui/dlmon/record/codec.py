"""One event to one line and back. A line that cannot be read is None, never an exception."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dlmon.plain import plain
from dlmon_probes import events
from dlmon_probes.kinds import KINDS

_PREFIX = b'{"k":"'

# Every escape of a JSON string, so that an escaped backslash in front of a "u001b" is not mistaken for one.
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(_PAIR + rb"|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_CONTROL_POINT = re.compile(rb"\\u00(?:[01][0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])")
_RAW_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_KEPT = (b"\\u000a", b"\\u000A", b"\\u0009")


def encode_event(event: Any) -> bytes:
    """One line with its newline. Non-finite floats become the strings "nan", "inf" and "-inf".

    Standard library only: the supervisor starts faster without the decoder's dependency.
    """
    row = {"k": event.kind, **vars(event)}
    try:
        text = json.dumps(row, separators=(",", ":"), allow_nan=False, default=vars)
    except ValueError:
        text = json.dumps(plain(row), separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


class Decoder:
    """Lines to events. `decode` gives None for blank lines and kinds of a later version; `corrupt` counts bad lines.

    Strings come out without control characters (newline and tab excepted): a log is untrusted, and whatever shows it
    need not think of escape sequences again.
    """

    def __init__(self) -> None:
        import msgspec  # here, because the supervisor only encodes

        self.corrupt = 0
        self._errors = (msgspec.MsgspecError, ValueError, RecursionError)
        self._by_kind = _decoders()
        self._generic = msgspec.json.Decoder(dict[str, Any]).decode

    def decode(self, line: bytes) -> Any | None:
        """The event of a line (with or without its newline)."""
        try:
            event = self._decode(clean(line))
        except self._errors:
            if not line.strip():
                return None
            event = self._decode_repaired(line)
        if event is not None and not -math.inf < event.t < math.inf:
            self.corrupt += 1
            return None
        return event

    def _decode(self, line: bytes) -> Any | None:
        # A run of a day is a million lines: the usual one is taken apart without further calls.
        kind = line[6 : line.index(b'"', 6)] if line.startswith(_PREFIX) else self._kind(line)
        decode = self._by_kind.get(kind)
        event = None if decode is None else decode(line)
        return spread(event) if type(event) is events.Steps else event

    def _kind(self, line: bytes) -> bytes:
        kind = self._generic(line).get("k")
        if not isinstance(kind, str):
            raise ValueError("no kind")
        return kind.encode()

    def _decode_repaired(self, line: bytes) -> Any | None:
        """A second try for text that is not Unicode (file names are bytes): it comes out with replacement signs."""
        repaired = clean(line).decode("utf-8", "replace").encode()
        repaired = _ESCAPE.sub(_without_lone_surrogate, repaired)
        try:
            return self._decode(repaired)
        except self._errors:
            self.corrupt += 1
            return None


@lru_cache(maxsize=1)
def _decoders() -> dict[bytes, Callable[[bytes], Any]]:
    """By kind; made once, since a replay opens the log anew for each jump.

    strict=False turns the strings "nan" and "inf" back into floats.
    """
    from msgspec.json import Decoder as JsonDecoder

    return {kind.encode(): JsonDecoder(cls, strict=False).decode for kind, cls in KINDS.items()}


_SHARED = ("wait", "lr", "micro", "samples", "grad_norm")


def spread(block: events.Steps) -> events.Steps:
    """A block whose shared values stand in every row: writers shorten a column of equal values to one.

    Changed in place, since nobody else holds it yet: a copy of a frozen dataclass takes as long as decoding it.
    """
    rows = len(block.at)
    if rows > 1:
        columns = vars(block)
        for name in _SHARED:
            if len(columns[name]) == 1:
                columns[name] = columns[name] * rows
    return block


def clean(line: bytes) -> bytes:
    """The line with every control character inside its strings replaced by a blank; most lines pass untouched."""
    if b"\\" in line:
        line = _ESCAPE.sub(_without_control, line)
    if b"\xc2" in line or b"\x7f" in line:
        line = _RAW_CONTROL.sub(b" ", line)
    return line


def _without_control(match: re.Match[bytes]) -> bytes:
    escape = match.group()
    if escape in (b"\\b", b"\\f", b"\\r"):
        return b" "
    return b" " if _CONTROL_POINT.fullmatch(escape) and escape not in _KEPT else escape


def _without_lone_surrogate(match: re.Match[bytes]) -> bytes:
    escape = match.group()
    return b"\\ufffd" if _SURROGATE.fullmatch(escape) else escape
