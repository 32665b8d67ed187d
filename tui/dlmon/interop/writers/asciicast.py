"""asciicast v2: what the training printed, when it printed it. `asciinema play FILE` shows it.

Format: https://docs.asciinema.org/manual/asciicast/v2/. The times are those of the log's `output` lines, a quarter of a
second apart at least.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dlmon.record import layout
from dlmon.record.reader import RunReader
from dlmon_probes import events

ROWS, COLUMNS = 24, 80  # the terminal that a training gets without one; the log does not tell of another
LONGEST = 1 << 16  # bytes in one line of the file


def write(folder: Path, file: BinaryIO) -> int:
    """Write a recording; how many bytes of output it has. Raises OSError."""
    moments = _moments(folder)
    first = next(moments, None)
    start = 0.0 if first is None else first[0]
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "timestamp": int(start), "title": folder.name}
    file.write(json.dumps(header).encode() + b"\n")
    try:
        output = (folder / layout.OUTPUT).open("rb")
    except FileNotFoundError:
        return 0
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    with output:
        t, size = start, 0
        for t, offset in _with_end(first, moments, output):
            while size < offset:
                data = output.read(min(LONGEST, offset - size))
                if not data:
                    break
                size += len(data)
                _line(file, t - start, decode(data))
        _line(file, t - start, decode(b"", True))
    return size


def _with_end(
    first: tuple[float, int] | None, moments: Iterator[tuple[float, int]], output: BinaryIO
) -> Iterator[tuple[float, int]]:
    """The moments, and at the last one whatever was printed after it."""
    t = 0.0 if first is None else first[0]
    end = output.seek(0, 2)
    output.seek(0)
    for t, offset in [] if first is None else [first]:
        yield t, min(offset, end)
    for t, offset in moments:
        yield t, min(offset, end)
    yield t, end


def _line(file: BinaryIO, second: float, shown: str) -> None:
    if shown:
        file.write(json.dumps([round(second, 6), "o", shown]).encode() + b"\n")


def _moments(folder: Path) -> Iterator[tuple[float, int]]:
    """(unix seconds, bytes of output.log by then); neither ever falls."""
    reader = RunReader(folder)
    t, offset, more = -math.inf, 0, True
    while more:
        batch = reader.read(4096, 1.0)
        more = batch.more
        for tagged in batch.events:
            if isinstance(tagged.event, events.Output):
                t, offset = max(t, tagged.event.t), max(offset, tagged.event.offset)
                yield t, offset
