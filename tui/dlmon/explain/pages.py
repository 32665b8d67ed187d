"""Which pages there are, and which one is meant. In the repository they lie in docs/findings, installed beside this."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from dlmon.errors import UserError

# A page that explains several ids, because they are one slip seen in several shapes: `review.<name>` to its page.
SHARED = "review."
_INSTALLED = Path(__file__).parent / "pages"
_SOURCE = Path(__file__).parents[3] / "docs" / "findings"
_MOST_SUGGESTED = 3
_ALIKE = 0.7  # difflib's ratio: a letter or two wrong, not another word


@dataclass(frozen=True)
class Page:
    """One page. title: the words behind the id in its first line."""

    id: str
    title: str
    text: str


def folder() -> Path:
    """Where the pages lie. Raises UserError where they were not installed."""
    for place in (_INSTALLED, _SOURCE):
        if place.is_dir():
            return place
    raise UserError(f"the pages are not installed: {_INSTALLED} is missing; install dlmon anew")


def all_ids() -> list[str]:
    """Everything that can be explained, sorted. Raises UserError."""
    return sorted(path.stem for path in folder().glob("*.md"))


def titles() -> list[tuple[str, str]]:
    """(id, title) of every page, sorted by id. Raises UserError."""
    return [(id, read(id).title) for id in all_ids()]


def read(id: str) -> Page:
    """The page with exactly this id. Raises UserError."""
    try:
        text = (folder() / f"{id}.md").read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"there is no page on {id}") from None
    first = text.partition("\n")[0].lstrip("# ")
    return Page(id, first.partition(": ")[2] or first, text)


def page_for(id: str) -> Page | None:
    """The page on a finding's id, or the one that explains it among others; None where there is neither."""
    known = set(all_ids())
    if id in known:
        return read(id)
    if not id.startswith(SHARED):
        return None
    rule = id.removeprefix(SHARED)
    for other in sorted(known):
        if other.startswith(SHARED) and f"`{id}`" in read(other).text:
            return read(other)
    # The same slip in the source and in the run has the same name: review.no_zero_grad, loop.no_zero_grad.
    same = [other for other in sorted(known) if other.partition(".")[2] == rule]
    return read(same[0]) if same else None


def find(asked: str) -> Page:
    """The page that is meant: its id, the beginning of one, or its part behind the dot.

    Raises UserError with suggestions where none or several are meant.
    """
    word = asked.strip().strip("`[]").lower()
    page = page_for(word)
    if page is not None:
        return page
    ids = all_ids()
    meant = [id for id in ids if id.startswith(word)] or [id for id in ids if id.partition(".")[2].startswith(word)]
    if word and len(meant) == 1:
        return read(meant[0])
    if word and meant:
        raise UserError(f"{asked} may be {_listed(meant)}; say which: dlmon explain {meant[0]}")
    near = _near(word, ids)
    hint = f"did you mean {_listed(near)}?" if near else "`dlmon explain --list` names all"
    raise UserError(f"there is no finding {asked}; {hint}")


def _near(word: str, ids: list[str]) -> list[str]:
    """Ids that are spelt alike, or whose part behind the dot is, or that contain the word."""
    tails = {id.partition(".")[2]: id for id in ids}
    close = difflib.get_close_matches(word, ids, _MOST_SUGGESTED, _ALIKE)
    close += [
        tails[tail] for tail in difflib.get_close_matches(word.rpartition(".")[2], tails, _MOST_SUGGESTED, _ALIKE)
    ]
    close += [id for id in ids if len(word) > 2 and word in id]
    return list(dict.fromkeys(close))[:_MOST_SUGGESTED]


def _listed(ids: list[str]) -> str:
    *others, last = ids[:6]
    return f"{', '.join(others)} or {last}" if others else last
