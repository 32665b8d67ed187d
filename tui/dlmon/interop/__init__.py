"""Logs of other tools: reading them as runs, and writing runs for them."""

from __future__ import annotations

from dlmon.interop.open import open_source

__all__ = ["open_source"]
