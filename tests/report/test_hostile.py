"""A log is untrusted: what it says is shown, and never becomes markup, a command of the terminal or a formula."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dlmon.report import curves
from dlmon.report.markdown import code, plain
from dlmon.report.write import files
from dlmon_probes import events
from tests.builders import START, Story
from tests.report.logs import classifier, pack_of, predictions, write

EVIL = '<script>alert("x")</script>\x1b[31m`|**[a](javascript:b)**\u202e'


class Reader(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        if tag not in ("meta", "line", "rect", "circle", "polyline", "polygon", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect", "circle", "polyline", "polygon"):
            assert self.open.pop() == tag


def prose(page: str) -> str:
    """A page of Markdown without its code and its escaped signs."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"\\.", "", page)
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", page)


def made_of(tmp_path: Path) -> dict[str, bytes]:
    """Evil words in every place that a pack shows."""
    story = classifier(tmp_path / "run", cls=EVIL)
    site = events.Series(START + 1, 0, EVIL, events.Where(EVIL, 3, EVIL, EVIL))
    story.events = [site if isinstance(event, events.Series) else event for event in story.events]
    story.add(predictions(story, class_names=[EVIL] * 3))
    story.host.append(events.Host(t=START + 4, cpu=0.5, cores=2, ram_used=1, ram_total=2, gpu_note=EVIL,
                                  gpus=[events.Gpu(EVIL, 0, EVIL, utilisation=0.5, used=5, total=9)]))  # fmt: skip
    story.crash(EVIL, EVIL)
    folder = write(story, tmp_path / "run", name=EVIL, argv=[EVIL], cwd=f"/{EVIL}", dlmon=EVIL)
    return files(pack_of(folder))


def test_nothing_of_a_log_becomes_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "available", lambda: False)
    made = made_of(tmp_path)
    page = made["report.html"].decode()
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert not reader.elements & {"script", "a", "img", "iframe", "object", "form", "link", "base"}
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("href", "src")]
    assert "&lt;script&gt;" in page
    for name, data in made.items():
        text = data.decode()
        assert "\x1b" not in text and "\u202e" not in text, name
        if name.endswith(".md"):
            assert "<" not in prose(text), name


def test_pictures_take_any_name(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made = made_of(tmp_path)
    assert made["curves/loss.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "shown"),
    [("a|b", "a\\|b"), ("1. one", "1\\. one"), ("# x", "\\# x"), ("- x", "\\- x"), ("val_loss", "val_loss"),
     ("_x_", "\\_x\\_"), ("<b>&amp;", "\\<b\\>&amp;amp;"), ("-3.5", "-3.5"), ("a\nb", "a b")],
)  # fmt: skip
def test_plain(words: str, shown: str) -> None:
    assert plain(words) == shown


def test_code() -> None:
    assert code("a`b") == "`` a`b ``" and code("a|b") == "`a¦b`" and code(" ") == ""


def test_a_page_reaches_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "available", lambda: False)
    story = classifier(tmp_path / "run").exit(0)
    page = files(pack_of(write(story, tmp_path / "run")))["report.html"].decode()
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "") and "url(" not in page and "@import" not in page


def test_a_name_is_no_place(tmp_path: Path) -> None:
    """The name in a manifest is text; nothing is written to a place that it names."""
    folder = write(Story(folder=tmp_path / "run").exit(0), tmp_path / "run", name="../../evil")
    assert all(not Path(path).is_absolute() and ".." not in path for path in files(pack_of(folder)))
