"""Tracebacks as they would read without the probes: our frames out, and torch's detour for hooks with them.

While module calls are watched, torch calls a module's forward by way of `inner` in `_call_impl`. The user has no hooks
and has never seen that function.
"""

from __future__ import annotations

import dis
import os
from types import CodeType, FrameType, TracebackType
from typing import Optional

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MODULE = os.path.join("torch", "nn", "modules", "module.py")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def without_probes(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """A traceback with our frames taken out. Shares the entries before the first change with the original."""
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    following: Optional[TracebackType] = None
    detour = False
    for entry in reversed(entries):
        frame = entry.tb_frame
        if frame.f_code.co_filename.startswith(_OWN):
            continue
        if _is_detour(frame):
            detour = True
            continue
        lasti, line = entry.tb_lasti, entry.tb_lineno
        if detour:
            detour = False
            lasti, line = _direct_call(frame.f_code) or (lasti, line)
        changed = entry.tb_next is not following or line != entry.tb_lineno
        following = TracebackType(following, frame, lasti, line) if changed else entry
    return following


def _is_detour(frame: FrameType) -> bool:
    """`inner` of a module call that would not have been taken without us: the module has no hooks of its own."""
    code = frame.f_code
    if code.co_name != "inner" or not code.co_filename.endswith(_MODULE):
        return False
    called = frame.f_locals.get("self")
    return called is not None and not any(called.__dict__.get(name) for name in _HOOKS)


def _direct_call(code: CodeType) -> Optional[tuple[int, int]]:
    """(instruction, line) of `return forward_call(...)` in `_call_impl`; None if it is not as we know it."""
    if code.co_name != "_call_impl":
        return None
    loaded, line = False, None
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.starts_line, int) and not isinstance(instruction.starts_line, bool):
            line = instruction.starts_line
        if instruction.argval == "forward_call" and instruction.opname.startswith("LOAD"):
            loaded = True
        elif loaded and instruction.opname.startswith("CALL_FUNCTION") and line is not None:
            number = getattr(instruction, "line_number", None) or line  # from Python 3.13 on
            return instruction.offset, number
    return None


def clean(error: Optional[BaseException]) -> None:
    """Take the probes out of an exception's traceback and of those it was raised from."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = without_probes(current.__traceback__)
        waiting += [current.__context__, current.__cause__]
