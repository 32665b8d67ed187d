"""What a screen is told when it is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dlmon.app.glyphs import ASCII, UNICODE, Glyphs
from dlmon.app.palette import PALETTES
from dlmon.errors import UserError


@dataclass(frozen=True)
class Settings:
    """folder: the run's. theme: name of a palette."""

    folder: Path
    glyphs: Glyphs = UNICODE
    theme: str = "dark"

    @property
    def name(self) -> str:
        return self.folder.name


def settings_for(folder: Path, *, ascii: bool, theme: str | None, environ: dict[str, str] | None = None) -> Settings:
    """Settings from options and environment. Raises UserError for a theme that there is not.

    NO_COLOR (any value but the empty one) wins over the default theme, `--theme` over both.
    """
    environ = dict(os.environ) if environ is None else environ
    if theme is not None and theme not in PALETTES:
        raise UserError(f"there is no theme {theme!r}: choose one of {', '.join(PALETTES)}")
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") in ("dumb", "vt100")
    return Settings(folder, ASCII if ascii else UNICODE, theme or ("plain" if plain else "dark"))
