"""Who asks a loader for its next batch: one who takes its end for the end of a pass, or one who would crash of it.

`for batch in loader` ends quietly when the loader does; `batch = next(it)` in a loop over steps raises StopIteration
into a program that knows its loader to be longer. The instruction that asks tells the two apart.
"""

from __future__ import annotations

import dis
import os
import sys
from types import CodeType, FrameType
from typing import Optional

_PROBES = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LOADING = os.path.join("torch", "utils", "data", "")
# What ends quietly when an iterator does: loops (also over enumerate and zip), yield from, unpacking.
_QUIET = frozenset({"FOR_ITER", "SEND", "YIELD_FROM", "LIST_EXTEND", "FOR_ITER_LIST", "FOR_ITER_GEN"})
_known: dict[tuple[CodeType, int], bool] = {}


def takes_the_end(depth: int = 1) -> bool:
    """Whether the code that asks for the next batch goes on when there is none. depth: frames of ours above it."""
    frame = _asking(sys._getframe(depth + 1))
    if frame is None:
        return False
    key = (frame.f_code, frame.f_lasti)
    known = _known.get(key)
    if known is None:
        known = _known[key] = _ends_quietly(frame)
    return known


def _asking(frame: Optional[FrameType]) -> Optional[FrameType]:
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_PROBES) and _LOADING not in name:
            return frame
        frame = frame.f_back
    return None


def _ends_quietly(frame: FrameType) -> bool:
    code = frame.f_code
    if dis.opname[code.co_code[frame.f_lasti]] in _QUIET:
        return True
    # Code that names StopIteration knows that the end may come: trainers and hand-made cycles.
    return "StopIteration" in code.co_names or _has_default(frame)


def _has_default(frame: FrameType) -> bool:
    """`next(it, None)`: a call with two arguments. Told by the call's argument count."""
    code = frame.f_code
    op = dis.opname[code.co_code[frame.f_lasti]]
    return op.startswith(("CALL", "PRECALL")) and "next" in code.co_names and code.co_code[frame.f_lasti + 1] == 2
