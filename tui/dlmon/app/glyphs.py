"""The signs that a screen uses, once in Unicode and once in ASCII, each as wide in the one as in the other."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from dlmon.checks.finding import ERROR, HINT, WARNING


@dataclass(frozen=True)
class Glyphs:
    """The signs of severities and verdicts end in a blank and are of one width; everything else is one cell."""

    ascii: bool
    good: str
    bad: str
    warning: str
    waiting: str
    running: str
    frame: tuple[str, ...]  # top left, top right, bottom left, bottom right, horizontal, vertical
    axis: str  # vertical, tick on it, horizontal, tick on it, corner
    bars: str  # from empty to full, for sparklines
    gauge: str  # done, rest
    cursor: str
    evaluation: str
    focus: str
    prompt: str  # the typing cursor
    key_join: str

    @property
    def indent(self) -> str:
        """As wide as a sign."""
        return " " * len(self.good)

    def severity(self, severity: str) -> str:
        return {ERROR: self.bad, WARNING: self.warning, HINT: self.waiting}.get(severity, self.waiting)

    def verdict(self, verdict: str) -> str:
        return {"pass": self.good, "fail": self.bad}.get(verdict, self.waiting)

    def plain(self, text: str) -> str:
        """`text` as this set of signs may show it: unchanged, or in ASCII with a look-alike for each character."""
        if not self.ascii or text.isascii():
            return text
        text = text.translate(_LOOK_ALIKES)
        if text.isascii():
            return text
        return "".join(sign if sign.isascii() else "?" * cell_len(sign) for sign in text)  # as wide as it was


UNICODE = Glyphs(
    ascii=False, good="✓ ", bad="✗ ", warning="! ", waiting="· ", running="▸ ", frame=tuple("╭╮╰╯─│"), axis="│┤─┬└",
    bars="▁▂▃▄▅▆▇█", gauge="━─", cursor="│", evaluation="●◆■▲", focus="▸", prompt="▏", key_join="–",
)  # fmt: skip
ASCII = Glyphs(
    ascii=True, good="ok ", bad="x  ", warning="!  ", waiting="-  ", running=">  ", frame=tuple("++++-|"), axis="|+-++",
    bars="_.-:=+*#", gauge="=-", cursor="|", evaluation="o%#^", focus=">", prompt="_", key_join="-",
)  # fmt: skip

_LOOK_ALIKES = str.maketrans(
    {
        "×": "x", "–": "-", "—": "-", "…": "~", "µ": "u", "·": ".", "→": ">", "←": "<", "↑": "^", "↓": "v", "≥": ">",
        "≤": "<", "°": "'", "|": "|", "Δ": "d", "‘": "'", "’": "'", "“": '"', "”": '"', "≈": "~", "±": "~", "√": "r",
        "│": "|", "─": "-", "▸": ">", "●": "o", "²": "2", "█": "#", "━": "=", "✓": "v", "✗": "x", "π": "p", "∞": "8",
    }
)  # fmt: skip
