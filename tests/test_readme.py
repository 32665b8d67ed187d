"""The README's tables are made from the code. DLMON_UPDATE_SNAPSHOTS=1 writes them anew."""

import os
import re
from pathlib import Path

from dlmon.app.keymap import keys_markdown
from dlmon.arguments import COMMANDS

README = Path(__file__).parents[1] / "README.md"


def test_the_keys_are_those_of_the_screen() -> None:
    text = README.read_text()
    table = f"<!-- keys: begin -->\n{keys_markdown().strip()}\n<!-- keys: end -->"
    if os.environ.get("DLMON_UPDATE_SNAPSHOTS"):
        README.write_text(re.sub(r"<!-- keys: begin -->.*<!-- keys: end -->", lambda _: table, text, flags=re.DOTALL))
    assert table in README.read_text()


def test_every_command_is_named() -> None:
    text = README.read_text()
    assert [name for name in COMMANDS if name != "run" and f"`dlmon {name}" not in text] == []


def test_every_link_into_the_repository_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README.read_text())
    assert [target for target in targets if not (README.parent / target).exists()] == []
