"""Options and environment, before any of Textual is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlmon.app.settings import settings_for
from dlmon.errors import UserError

RUN = Path("run")


@pytest.mark.parametrize(
    ("environ", "theme", "chosen"),
    [
        ({}, None, "dark"),
        ({"NO_COLOR": "1"}, None, "plain"),
        ({"NO_COLOR": ""}, None, "dark"),
        ({"TERM": "dumb"}, None, "plain"),
        ({"NO_COLOR": "1"}, "light", "light"),
    ],
)
def test_theme(environ: dict[str, str], theme: str | None, chosen: str) -> None:
    assert settings_for(RUN, ascii=False, theme=theme, environ=environ).theme == chosen


def test_an_unknown_theme_is_one_line_that_says_which_there_are() -> None:
    with pytest.raises(UserError, match=r"no theme 'neon': choose one of dark, light, terminal, plain"):
        settings_for(RUN, ascii=False, theme="neon", environ={})


def test_the_entrance_imports_no_textual() -> None:
    code = "import sys, dlmon.app.main; sys.exit('textual' in sys.modules or 'msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
