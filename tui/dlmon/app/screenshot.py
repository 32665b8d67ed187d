"""The screen as an SVG file in the run's folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from textual.app import App

from dlmon.runs import short


def save(app: App[Any], folder: Path, title: str) -> str:
    """Write it; what to say of it, in one line whose beginning tells the file where the line is cut."""
    path = folder / f"screen-{time.strftime('%Y%m%d-%H%M%S')}.svg"
    try:
        path.write_text(app.export_screenshot(title=title), encoding="utf-8")
    except OSError as error:
        return f"cannot save {path.name}: {error.strerror or error}"
    return f"saved {path.name} in {short(folder)}"
