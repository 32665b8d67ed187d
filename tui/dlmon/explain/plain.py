"""A page's Markdown as plain rows: headings, wrapped prose, code as it is, no signs of markup.

Only what the pages use is understood: `#` headings, paragraphs, `-` and `1.` items, code fences, tables, inline code,
emphasis and links.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

TITLE, HEADING, TEXT, CODE, BLANK = "title", "heading", "text", "code", "blank"

_ITEM = re.compile(r"(\s*)([-*]|\d+\.)\s+(.*)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\w*])")
_CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Row:
    """One row of text with its indent. kind: one of the constants above."""

    kind: str
    text: str


def rows(markdown: str, width: int) -> list[Row]:
    """The page in rows of at most `width` characters; code and tables are not wrapped."""
    made: list[Row] = []
    for row in _rows(markdown.splitlines(), max(20, width)):
        if row.kind != BLANK or (made and made[-1].kind != BLANK):
            made.append(row)
    while made and made[-1].kind == BLANK:
        made.pop()
    return made


def _rows(lines: list[str], width: int) -> Iterator[Row]:
    paragraph: list[str] = []
    fence = ""
    for line in lines:
        if fence:
            if line.strip() == fence:
                fence = ""
                yield Row(BLANK, "")
            else:
                yield Row(CODE, f"    {line}".rstrip())
            continue
        if not line.strip() or line.startswith(("#", "|", "```")) or _ITEM.match(line):
            yield from _wrapped(paragraph, width)
            paragraph = []
        if not line.strip():
            yield Row(BLANK, "")
        elif line.startswith("```"):
            fence = "```"
        elif line.startswith("#"):
            yield from _heading(line, width)
        elif line.startswith("|"):
            if not re.fullmatch(r"[|\s:-]+", line):
                yield Row(CODE, "    " + inline(line.strip().strip("|").replace("|", "  ")).strip())
        elif line.startswith("    ") and not paragraph:
            yield Row(CODE, line.rstrip())
        else:
            paragraph.append(line)
    yield from _wrapped(paragraph, width)


def _heading(line: str, width: int) -> Iterator[Row]:
    title = inline(line.lstrip("#").strip())
    if line.startswith("##"):
        yield Row(BLANK, "")
        yield Row(HEADING, title)
    else:
        for part in textwrap.wrap(title, width):
            yield Row(TITLE, part)


def _wrapped(paragraph: list[str], width: int) -> Iterator[Row]:
    if not paragraph:
        return
    item = _ITEM.match(paragraph[0])
    if item:
        first = f"  {item.group(1)}{'-' if item.group(2) in '-*' else item.group(2)} "
        words = [item.group(3), *paragraph[1:]]
    else:
        first, words = "  ", paragraph
    text = inline(" ".join(part.strip() for part in words))
    for part in textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first)):
        yield Row(TEXT, part)


def inline(text: str) -> str:
    """Prose without the signs of emphasis, code and links; what stands in code is left alone."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found.group(2))
        return f"\0{len(kept) - 1}\0"

    text = _CODE.sub(keep, text.replace("\0", ""))
    text = _LINK.sub(lambda found: _link(found.group(1), found.group(2)), text)
    text = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\2", text))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found.group(1))], text)


def _link(words: str, target: str) -> str:
    return words if target in words or not target.startswith("http") else f"{words} ({target})"
