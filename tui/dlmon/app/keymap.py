"""Every key, once: bindings, footer, help screen and the table in the documentation are made from this list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LIVE, REPLAY, BOTH = "live", "replay", "both"

RUN, MOVE, CHART, TABLES, SCREEN, PLAYBACK = "the run", "moving about", "loss chart", "tables and output", "screen", "replay"
GROUPS = (RUN, PLAYBACK, MOVE, CHART, TABLES, SCREEN)


@dataclass(frozen=True)
class Key:
    """keys: Textual's names, separated by commas. label: as people write it. short: in the footer, "" leaves it out."""

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
    Key("left_square_bracket", "[", "slower", "play at half the speed", PLAYBACK, REPLAY),
    Key("right_square_bracket", "]", "faster", "play at twice the speed", PLAYBACK, REPLAY, "faster"),
    Key("left", "←", "seek(-1)", "back by a hundredth of the run", PLAYBACK, REPLAY),
    Key("right", "→", "seek(1)", "forward by a hundredth of the run", PLAYBACK, REPLAY, "seek"),
    Key("comma", ",", "seek_step(-1)", "back by one step", PLAYBACK, REPLAY),
    Key("full_stop", ".", "seek_step(1)", "forward by one step", PLAYBACK, REPLAY),
    Key("n", "n", "finding(1)", "to the next finding", PLAYBACK, REPLAY, "next finding"),
    Key("N", "N", "finding(-1)", "to the finding before", PLAYBACK, REPLAY),
    Key("g", "g", "goto", "go to a step", PLAYBACK, REPLAY, "go to step"),
    *(
        Key(str(number), str(number), f"panel('{name}')", words, MOVE)
        for number, name, words in (
            (1, "loss", "loss chart"), (2, "gradients", "gradient health"), (3, "machine", "machine"),
            (4, "stages", "stages"), (5, "progress", "progress"), (6, "output", "output"), (7, "findings", "findings"),
        )
    ),
    Key("tab", "tab", "next_panel(1)", "next panel", MOVE, short="panel"),
    Key("shift+tab", "shift+tab", "next_panel(-1)", "panel before", MOVE),
    Key("z", "z", "zoom", "give the panel the whole screen, or put it back", MOVE, short="zoom"),
    Key("enter", "enter", "explain", "explain a finding: evidence and what to do", MOVE, short="explain"),
    Key("up,k", "↑", "scroll(-1)", "up", MOVE),
    Key("down,j", "↓", "scroll(1)", "down", MOVE),
    Key("pageup", "page up", "page(-1)", "a page up", MOVE),
    Key("pagedown", "page down", "page(1)", "a page down", MOVE),
    Key("home", "home", "edge(-1)", "to the start", MOVE),
    Key("end", "end", "edge(1)", "to the end; follows what comes", MOVE),
    Key("escape", "esc", "back", "back: drop filter, cursor, zoom", MOVE),
    Key("l", "l", "log_scale", "logarithmic scale", CHART),
    Key("plus,equals_sign", "+", "zoom_chart(1)", "fewer steps, larger", CHART),
    Key("minus", "-", "zoom_chart(-1)", "more steps", CHART),
    Key("less_than_sign", "<", "cursor(-1)", "cursor to the left: values under it", CHART),
    Key("greater_than_sign", ">", "cursor(1)", "cursor to the right", CHART),
    Key("left", "←", "cursor(-1)", "cursor to the left: values under it", CHART, LIVE),
    Key("right", "→", "cursor(1)", "cursor to the right", CHART, LIVE),
    Key("c", "c", "next_chart", "next series: loss, accuracy, what the script logs", CHART),
    Key("n", "n", "finding(1)", "next line that was searched for (in the output)", TABLES, LIVE),
    Key("N", "N", "finding(-1)", "the one before", TABLES, LIVE),
    Key("slash", "/", "filter", "filter parameters, search the output", TABLES, short="filter"),
    Key("f", "f", "fold", "gradient health by module, or by parameter", TABLES),
    Key("t", "t", "theme", "next theme: dark, light, terminal, plain", SCREEN),
    Key("s", "s", "screenshot", "save the screen as SVG in the run's folder", SCREEN),
)  # fmt: skip


def keys_for(mode: str) -> tuple[Key, ...]:
    """The keys of a live or an attached screen ("live"), or of a replay ("replay")."""
    return tuple(key for key in KEYMAP if key.mode in (BOTH, mode))


def footer_keys(mode: str) -> Iterator[tuple[str, str]]:
    """(key, word) for the last line, most needed first."""
    keys = [key for key in keys_for(mode) if key.short]
    first = ("?", "q", "space")
    for key in sorted(keys, key=lambda key: first.index(key.label) if key.label in first else len(first)):
        yield key.label, key.short


def grouped(mode: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(group, [(key, description)]) for the help screen; the seven panels share one row."""
    keys = keys_for(mode)
    for group in GROUPS:
        rows = [(key.label, key.description) for key in keys if key.group == group and not key.label.isdigit()]
        if group == MOVE:
            rows.insert(0, ("1–7", "a panel: " + ", ".join(key.description for key in keys if key.label.isdigit())))
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
            rows += [f"| `{label}` | {description} | {where} |" for label, description in keys]
    return "\n".join(rows) + "\n"
