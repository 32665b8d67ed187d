"""Kinds of lines in the supervisor's log that speak of watch conditions; for the rules see events.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Optional


@dataclass(frozen=True)
class Watched:
    """A watch condition was met, or could not be acted on.

    action: "break", "stop" or "trouble". text: what was done and why, in one line. reason: the why of it alone.
    step: steps done when it was met.
    """

    kind: ClassVar[str] = "watched"
    t: float
    action: str
    text: str
    step: Optional[int] = None
    reason: str = ""


EVENTS: tuple[type[Any], ...] = (Watched,)
