"""Kinds of lines in a run's log that speak of the loop: optimizers, schedules, clipping, scaling, evaluation.

See events.py for the rules that hold for all.
"""

from __future__ import annotations

from typing import Any

EVENTS: tuple[type[Any], ...] = ()
