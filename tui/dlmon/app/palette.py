"""Roles to colours. A colour only repeats what a word or a sign already says, so a palette without any will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.style import Style

# Every role that a line may use, as attributes when there is no colour at all.
ROLES: dict[str, dict[str, Any]] = {
    "text": {},
    "dim": {"dim": True},
    "strong": {"bold": True},
    "name": {"bold": True},
    "axis": {"dim": True},
    "frame": {"dim": True},
    "title": {},
    "focus": {"bold": True},
    "key": {"bold": True},
    "tab": {},
    "tab_on": {"bold": True, "reverse": True},
    "good": {},
    "warning": {"bold": True},
    "bad": {"bold": True},
    "hint": {},
    "raw": {"dim": True},
    "cursor": {"dim": True},
    "selected": {"reverse": True},
    "match": {"reverse": True},
    "message": {"bold": True},
    "series0": {"bold": True},
    "series1": {"bold": True},
    "series2": {"bold": True},
    "series3": {"bold": True},
    "series4": {"bold": True},
    "series5": {"bold": True},
}


@dataclass(frozen=True)
class Palette:
    """A style for each role. background: None leaves the terminal's own."""

    name: str
    background: str | None
    colours: dict[str, str]
    attributes: dict[str, dict[str, Any]] = field(default_factory=lambda: ROLES)

    def styles(self) -> dict[str, Style]:
        return {role: self._style(role) for role in ROLES}

    def _style(self, role: str) -> Style:
        # Dim is left to colour where there is one: many terminals render it too faint on a set background.
        attributes = {
            name: value for name, value in self.attributes[role].items() if name != "dim" or role not in self.colours
        }
        colour = self.colours.get(role, self.colours.get("text"))
        return Style(color=colour, bgcolor=self.background, **attributes)


def _colours(
    text: str, dim: str, faint: str, frame: str, accent: str, good: str, warning: str, bad: str, series: list[str]
) -> dict[str, str]:
    return {
        "text": text, "strong": text, "name": text, "dim": dim, "axis": dim, "title": dim, "frame": frame,
        "raw": faint, "focus": accent, "key": accent, "tab": dim, "tab_on": accent, "hint": accent, "cursor": accent,
        "good": good, "warning": warning, "bad": bad, "message": accent, "selected": text, "match": warning,
        **{f"series{index}": colour for index, colour in enumerate(series)},
    }  # fmt: skip


DARK = Palette(
    "dark",
    "#15171c",
    _colours(
        "#cdd3dc", "#7d8694", "#485264", "#343a46", "#82aaff", "#8fc793", "#e5b567", "#f2777a",
        ["#82aaff", "#e5b567", "#8fc793", "#c99bf2", "#6fcfd6", "#f2777a"],
    ),
)  # fmt: skip
LIGHT = Palette(
    "light",
    "#fbfbfa",
    _colours(
        "#24292f", "#656d76", "#b4bcc8", "#cdd3da", "#0a57c2", "#1a7f37", "#8f5a00", "#c01c28",
        ["#0a57c2", "#b35900", "#1a7f37", "#7d3cc9", "#0b7c86", "#c01c28"],
    ),
)  # fmt: skip
# The terminal's own sixteen colours and background.
TERMINAL = Palette(
    "terminal",
    None,
    {
        "focus": "bright_blue", "key": "bright_blue", "tab_on": "bright_blue", "hint": "cyan", "cursor": "blue",
        "good": "green", "warning": "yellow", "bad": "red", "message": "cyan", "match": "yellow",
        "series0": "bright_blue", "series1": "yellow", "series2": "green", "series3": "magenta", "series4": "cyan",
        "series5": "red",
    },
)  # fmt: skip
PLAIN = Palette("plain", None, {})

PALETTES = {palette.name: palette for palette in (DARK, LIGHT, TERMINAL, PLAIN)}


def next_palette(name: str) -> Palette:
    """The palette after this one; choosing goes round."""
    names = list(PALETTES)
    return PALETTES[names[(names.index(name) + 1) % len(names)]]
