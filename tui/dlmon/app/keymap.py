"""Every key, once: bindings, footer, help screen and the table in the documentation are made from this list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LIVE, REPLAY, BOTH = "live", "replay", "both"

RUN, PLAYBACK, MOVE = "the run", "replay", "moving about"
CHART, TABLES, SCREEN = "loss chart", "tables and output", "screen"
GROUPS = (RUN, PLAYBACK, MOVE, CHART, TABLES, SCREEN)


@dataclass(frozen=True)
class Key:
    """keys: Textual's names, separated by commas. label: as people write it. short: in the footer, "" leaves it out.

    description: "" where the key before it describes both.
    """

    keys: str
    label: str
    action: str
    description: str
    group: str
    mode: str = BOTH
    short: str = ""


KEYMAP: tuple[Key, ...] = (
    Key("question_mark,f1", "?", "help", "all keys", SCREEN, short="help"),
    Key("q,ctrl+c", "q", "leave", "leave: the training goes on, or is stopped: it asks", RUN, LIVE, "leave or stop"),
    Key("q,ctrl+c", "q", "leave", "leave", RUN, REPLAY, "leave"),
    Key("space", "space", "pause", "pause the training at the next step, or let it go on", RUN, LIVE, "pause training"),
    Key("full_stop", ".", "step", "let a paused training do one step", RUN, LIVE, "one step"),
    Key("v", "v", "freeze", "hold the view still (the training goes on)", RUN, LIVE),
    Key("space", "space", "play", "play, or stop playing", PLAYBACK, REPLAY, "play"),
    Key("left_square_bracket", "[", "slower", "play at half, at twice the speed", PLAYBACK, REPLAY),
    Key("right_square_bracket", "]", "faster", "", PLAYBACK, REPLAY, "faster"),
    Key("left", "←", "seek(-1)", "back, forward by a hundredth of the run", PLAYBACK, REPLAY),
    Key("right", "→", "seek(1)", "", PLAYBACK, REPLAY, "seek"),
    Key("comma", ",", "seek_step(-1)", "back, forward by one step", PLAYBACK, REPLAY),
    Key("full_stop", ".", "seek_step(1)", "", PLAYBACK, REPLAY),
    Key("n", "n", "finding(1)", "to the next finding, to the one before", PLAYBACK, REPLAY, "next finding"),
    Key("N", "N", "finding(-1)", "", PLAYBACK, REPLAY),
    Key("g", "g", "goto", "go to a step", PLAYBACK, REPLAY, "go to step"),
    *(
        Key(str(number), str(number), f"panel('{name}')", words, MOVE)
        for number, name, words in (
            (1, "loss", "loss chart"), (2, "gradients", "gradient health"), (3, "machine", "machine"),
            (4, "stages", "stages"), (5, "progress", "progress"), (6, "output", "output"), (7, "findings", "findings"),
        )
    ),
    Key("tab", "tab", "next_panel(1)", "next panel, the one before", MOVE, short="panel"),
    Key("shift+tab", "shift+tab", "next_panel(-1)", "", MOVE),
    Key("z", "z", "zoom", "give the panel the whole screen, or put it back", MOVE, short="zoom"),
    Key("enter", "enter", "explain", "explain a finding: evidence and what to do", MOVE, short="explain"),
    Key("up,k", "↑", "scroll(-1)", "scroll, choose a finding", MOVE),
    Key("down,j", "↓", "scroll(1)", "", MOVE),
    Key("pageup", "pgup", "page(-1)", "a page up, down", MOVE),
    Key("pagedown", "pgdn", "page(1)", "", MOVE),
    Key("home", "home", "edge(-1)", "to the start, to the end (and follow it)", MOVE),
    Key("end", "end", "edge(1)", "", MOVE),
    Key("escape", "esc", "back", "back: drop filter, cursor, zoom", MOVE),
    Key("l", "l", "log_scale", "logarithmic scale", CHART),
    Key("plus,equals_sign", "+", "zoom_chart(1)", "fewer, more steps at once", CHART),
    Key("minus", "-", "zoom_chart(-1)", "", CHART),
    Key("less_than_sign", "<", "cursor(-1)", "cursor: the values at a step", CHART),
    Key("greater_than_sign", ">", "cursor(1)", "", CHART),
    Key("left", "←", "cursor(-1)", "the cursor, too", CHART, LIVE),
    Key("right", "→", "cursor(1)", "", CHART, LIVE),
    Key("c", "c", "next_chart", "next series: loss, accuracy, what the script logs", CHART),
    Key("n", "n", "finding(1)", "next, previous line that was searched for", TABLES, LIVE),
    Key("N", "N", "finding(-1)", "", TABLES, LIVE),
    Key("slash", "/", "filter", "filter parameters, search the output", TABLES, short="filter"),
    Key("f", "f", "fold", "gradient health by module, or by parameter", TABLES),
    Key("t", "t", "theme", "next theme: dark, light, terminal, plain", SCREEN),
    Key("s", "s", "screenshot", "save the screen as SVG in the run's folder", SCREEN),
)  # fmt: skip


def keys_for(mode: str) -> tuple[Key, ...]:
    """The keys of a live or an attached screen ("live"), or of a replay ("replay")."""
    return tuple(key for key in KEYMAP if key.mode in (BOTH, mode))


def footer_keys(mode: str, *, over: bool = False) -> Iterator[tuple[str, str]]:
    """(key, word) for the last line, most needed first. over: nothing can be asked of the training any more."""
    first = ("?", "q", "space")
    keys = [key for key in keys_for(mode) if key.short]
    for key in sorted(keys, key=lambda key: first.index(key.label) if key.label in first else len(first)):
        if not over or key.group != RUN:
            yield key.label, key.short
        elif key.action == "leave":
            yield key.label, "leave"


def grouped(mode: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(group, [(keys, description)]) for the help screen; the seven panels share a row, and so do pairs."""
    keys = keys_for(mode)
    for group in GROUPS:
        rows: list[tuple[str, str]] = []
        if group == MOVE:
            rows.append(("1–7", "a panel: " + ", ".join(key.description for key in keys if key.label.isdigit())))
        for key in keys:
            if key.group != group or key.label.isdigit():
                continue
            if key.description:
                rows.append((key.label, key.description))
            else:
                rows[-1] = (f"{rows[-1][0]} {key.label}", rows[-1][1])
        if rows:
            yield group, rows


def keys_markdown() -> str:
    """All keys as a Markdown table, for the README."""
    rows = ["| key | does | where |", "|---|---|---|"]
    for mode in (LIVE, REPLAY):
        for group, keys in grouped(mode):
            if mode == REPLAY and group not in (PLAYBACK, RUN):
                continue
            where = "replay" if mode == REPLAY else group
            rows += [f"| {_as_code(label)} | {description} | {where} |" for label, description in keys]
    return "\n".join(rows) + "\n"


def _as_code(label: str) -> str:
    return " ".join(f"`{key}`" for key in label.split(" "))
