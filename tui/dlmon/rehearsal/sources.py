"""The user's own sources as they are now, and what changed in them since a stage last ran."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from dlmon.launch.sources import local_sources

Sources = Mapping[str, str]  # path relative to the working folder → text


def sources_now(script: Path | None, cwd: Path) -> Sources:
    """The script and the local modules that it imports. Empty where there is no Python script."""
    if script is None:
        return {}
    found: dict[str, str] = {}
    for path in local_sources(cwd / script, cwd):
        try:
            found[os.path.relpath(path, cwd.resolve())] = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return found


def difference(before: Sources, after: Sources) -> str:
    """A unified diff; "" where nothing changed."""
    parts: list[str] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            lines = difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"{name} (before)", f"{name} (now)", lineterm=""
            )
            parts += lines
    return "\n".join(parts)
