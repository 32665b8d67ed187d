"""Markdown from untrusted words: what a log says is shown as it is, and never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dlmon import text

_MARKUP = re.compile(r"([\\`*\[\]<>|$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|~(?=~))")
_BLOCK = re.compile(r"^(\d*)([-+=:#.)])(?=[\s.]|$)")


def plain(words: str) -> str:
    """Text on one line, its signs of markup escaped."""
    escaped = _MARKUP.sub(r"\\\1", text.clean(words).strip().replace("&", "&amp;"))
    return _BLOCK.sub(r"\1\\\2", escaped)


def code(words: str) -> str:
    """Text as inline code."""
    shown = text.clean(words)
    if not shown.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if "`" in shown else ""
    # A | ends a table's cell even inside code.
    return f"{fence}{pad}{shown.replace('|', '¦')}{pad}{fence}"


def block(lines: Iterable[str], language: str = "") -> list[str]:
    """A code block; lines that would close it are indented with a space."""
    return [f"```{language}", *(" " + line if line.lstrip().startswith("```") else line for line in lines), "```"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """A table; cells are Markdown already. right: columns whose cells stand on the right."""
    rule = ["---:" if place in right else "---" for place in range(len(header))]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def page(lines: Iterable[str]) -> str:
    """Lines as a file: no blank line twice, one newline at the end."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1]):
            kept.append(line.rstrip())
    return "\n".join(kept).strip("\n") + "\n"
