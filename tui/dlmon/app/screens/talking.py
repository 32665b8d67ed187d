"""The footer of a screen: keys, a message for a few seconds, or a line that is being typed."""

from __future__ import annotations

from textual import events
from textual.screen import Screen

from dlmon.app.panels.bars import Footer
from dlmon.app.prompt import Prompt

MESSAGE_SECONDS = 6.0


class Talking(Screen[None], inherit_bindings=False):
    """A screen that can say a line and ask for one."""

    def __init__(self) -> None:
        super().__init__()
        self.footer = Footer(())
        self.prompt: Prompt | None = None
        self._message_timer = 0

    def say(self, message: str) -> None:
        """One line in place of the keys, for a few seconds."""
        self.footer.message = message
        self.footer.redraw()
        self._message_timer += 1
        mine = self._message_timer
        self.set_timer(MESSAGE_SECONDS, lambda: self._quiet(mine))

    def _quiet(self, timer: int) -> None:
        if timer == self._message_timer:
            self.footer.message = ""
            self.footer.redraw()

    def _ask(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self._show_prompt()

    def _show_prompt(self) -> None:
        self.footer.prompt = self.prompt.line() if self.prompt else None
        self.footer.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """While something is typed, keys are letters."""
        return self.prompt is None

    def on_key(self, event: events.Key) -> None:
        if self.prompt is None:
            return
        event.stop()
        if self.prompt.key(event.key, event.character):
            self.prompt = None
        self._show_prompt()

    def on_paste(self, event: events.Paste) -> None:
        if self.prompt is not None:
            self.prompt.paste(event.text)
            self._show_prompt()
