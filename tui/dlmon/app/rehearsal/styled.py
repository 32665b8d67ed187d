"""What the rehearsal's screens have in common: one appearance, changed in any of them; a help screen; a picture."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from dlmon.app import screenshot
from dlmon.app.glyphs import Glyphs
from dlmon.app.keymap import STEP
from dlmon.app.palette import PALETTES, Palette, next_palette
from dlmon.app.panels.base import LineWidget
from dlmon.app.screens.talking import Talking
from dlmon.app.settings import Settings


class Appearance:
    """The palette and signs that all screens of a rehearsal share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.palette: Palette = PALETTES[settings.theme]

    @property
    def glyphs(self) -> Glyphs:
        return self.settings.glyphs

    def styles(self) -> dict[str, Style]:
        return self.palette.styles()


class Styled(Talking, inherit_bindings=False):
    """A screen of lines. `lines` are all its widgets."""

    mode = STEP
    AUTO_FOCUS = ""
    ALLOW_SELECT = False

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.appearance = appearance
        self.lines: Sequence[LineWidget] = ()
        self._drawn_with: Palette | None = None

    def restyle(self) -> None:
        """Draw with the palette as it is now."""
        self._drawn_with = self.appearance.palette
        styles = self.appearance.styles()
        for widget in self.lines:
            widget.restyle(styles, self.appearance.glyphs)

    def on_screen_resume(self) -> None:
        """The palette may have been changed on a screen that lay over this one."""
        if self._drawn_with is not self.appearance.palette:
            self.restyle()

    def action_theme(self) -> None:
        self.appearance.palette = next_palette(self.appearance.palette.name)
        self.restyle()
        self.say(f"theme: {self.appearance.palette.name}")

    def action_help(self) -> None:
        from dlmon.app.screens.dialogs import Help

        self.app.push_screen(Help(self.mode, self.appearance.styles(), self.appearance.glyphs))

    def action_screenshot(self) -> None:
        settings = self.appearance.settings
        self.say(screenshot.save(self.app, settings.folder, settings.name))
