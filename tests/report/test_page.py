"""report.html in a real browser: it lays out at both widths without anything sticking out, in light and dark."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from dlmon.report import curves
from dlmon.report.charts import Chart, Line
from dlmon.report.svg import draw, legend, round_step, tick
from dlmon.report.write import files
from tests.report.logs import finished, pack_of

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Runs in the test's copy of the page only: the page itself has no script.
_MEASURE = (
    "<script>addEventListener('load',()=>{const wide=[...document.querySelectorAll('section,header,.tile,h1,.chart')]"
    ".filter(e=>e.getBoundingClientRect().right>innerWidth+1).map(e=>e.tagName+'.'+e.className);"
    "const style=getComputedStyle(document.body);"
    "document.title=JSON.stringify([innerWidth,document.documentElement.scrollWidth,wide.length,"
    "style.backgroundColor])})</script>"
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(curves, "available", lambda: False)
    path = tmp_path / "report.html"
    folder = finished(tmp_path, name="20260101-101112-a_rather_long_name_of_a_script")
    path.write_bytes(files(pack_of(folder))["report.html"])
    return path


def run(browser: str, profile: Path, *arguments: str) -> str:
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
         f"--user-data-dir={profile}", *arguments],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (400, True)])
def test_nothing_sticks_out(browser: str, page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    measured = tmp_path / "measured.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    measured.write_text(text.replace("</body>", f"{_MEASURE}</body>"))
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    shown = run(browser, tmp_path / "profile", f"--window-size={width},900", *scheme, "--dump-dom", measured.as_uri())
    found = re.search(r"<title>\[(\d+),(\d+),(\d+),\"rgb\((\d+), ", shown)
    assert found is not None, shown[:500]
    inner, scroll, outside, red = map(int, found.groups())
    assert scroll <= inner and outside == 0
    assert (red < 60) if dark else (red > 200)


def test_a_screenshot_is_not_blank(browser: str, page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    run(browser, tmp_path / "profile", "--window-size=1200,2000", f"--screenshot={picture}", page.as_uri())
    data = picture.read_bytes()
    assert struct.unpack(">II", data[16:24]) == (1200, 2000)
    assert len(data) > 60_000  # an empty page of this size takes 8 KB


def test_everything_is_on_the_page(page: Path) -> None:
    text = page.read_text()
    for words in (
        "finished with exit code 0", "best validation loss", "Confusion matrix", "most confident mistake",
        "Models side by side", "dlmon train.py --lr 0.1", "not recorded: GPU memory", "First steps", "Training log",
    ):  # fmt: skip
        assert words in text, words
    assert text.count("<svg") >= 6 and "<script" not in text


def test_a_chart_of_one_value_and_of_equal_values() -> None:
    for y in ([0.5], [0.0, 0.0], [1e-4, 1e-4]):
        shown = draw(Chart("loss", "Loss", "step", "", (Line("loss", list(range(len(y))), y),)))
        assert "nan" not in shown and "polyline" in shown


def test_a_logarithmic_chart_has_round_ticks() -> None:
    shown = draw(Chart("loss", "Loss", "step", "", (Line("loss", [0, 1, 2], [0.001, 1.0, 1000.0]),), log=True))
    assert [f">{label}</text>" in shown for label in ("0.001", "0.1", "1,000")].count(True) >= 2


def test_ticks_and_steps() -> None:
    assert [round_step(rough) for rough in (0.013, 0.2, 3.0, 6.0)] == pytest.approx([0.02, 0.2, 5.0, 10.0])
    assert [tick(value) for value in (0.25, 1500.0, 3e-4, 1e-5, 12500.0, 0.0)] == [
        "0.25", "1,500", "3e-4", "1e-5", "12.5k", "0",
    ]  # fmt: skip


def test_a_legend_only_where_it_says_something() -> None:
    one = Chart("lr", "Learning rate", "step", "", (Line("learning rate", [0], [1]),))
    assert legend(one) == ""
    two = Chart("loss", "Loss", "step", "", (Line("a<b", [0], [1]), Line("c", [0], [1])))
    assert "a&lt;b" in legend(two)
