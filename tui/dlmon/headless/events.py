"""Events as JSON lines: as in the log, and with the log that each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dlmon.record import layout
from dlmon.record.codec import encode_event
from dlmon.record.reader import Tagged


def json_lines(tagged: Iterable[Tagged]) -> bytes:
    """One object a line: `{"k": kind, "t": …, …, "source": "rank0"}`; `rank` is added where the event has none."""
    return b"".join(_line(item) for item in tagged)


def _line(item: Tagged) -> bytes:
    source = item.source.removesuffix(".jsonl")
    added: dict[str, str | int] = {"source": source}
    if item.rank != layout.SUPERVISOR_RANK and not hasattr(item.event, "rank"):
        added["rank"] = item.rank
    # Spliced in: encoding the added fields with the event would copy its columns once more.
    return encode_event(item.event)[:-2] + b"," + json.dumps(added, separators=(",", ":"))[1:].encode() + b"\n"
