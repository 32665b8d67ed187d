"""Every key, once: bindings, footer, help screen and the table in the documentation are made from this list."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

LIVE, REPLAY, BOTH = "live", "replay", "both"
STEP, EVIDENCE = "step", "evidence"  # the rehearsal's checklist, and what one of its stages has to show
BROWSE, OVERLAY = "browse", "overlay"  # the list of runs, and curves of several of them
EVERY = "every"

REHEARSAL, STAGE, PAGES = "rehearsal", "the running stage", "evidence"
RUN, PLAYBACK, MOVE = "the run", "replay", "moving about"
CHART, TABLES, SCREEN = "loss chart", "tables and output", "screen"
RUNS, LIST = "runs", "the list"
GROUPS = (RUNS, LIST, REHEARSAL, STAGE, PAGES, RUN, PLAYBACK, MOVE, CHART, TABLES, SCREEN)


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


_REHEARSAL_KEYS = (
    Key("enter", "enter", "run_stage", "run the chosen stage; if it has run, the next one", REHEARSAL, STEP, "run"),
    Key("r", "r", "rerun", "run the chosen stage again: the script is read anew", REHEARSAL, STEP, "again"),
    Key("x", "x", "skip", "skip the chosen stage", REHEARSAL, STEP, "skip"),
    Key("up,k", "↑", "choose(-1)", "choose a stage", REHEARSAL, STEP),
    Key("down,j", "↓", "choose(1)", "", REHEARSAL, STEP),
    Key("a", "a", "auto", "go on by itself until a stage fails, or stop doing so", REHEARSAL, STEP, "auto"),
    Key("e,o", "e", "evidence", "open the chosen stage's evidence", REHEARSAL, STEP, "evidence"),
    Key("d", "d", "changes", "what changed in the sources since the chosen stage ran", REHEARSAL, STEP, "changes"),
    Key("g", "g", "full", "go on to the full run, and watch it", REHEARSAL, STEP, "full run"),
    Key("q,ctrl+c", "q", "leave", "leave: while a stage goes on it asks", REHEARSAL, STEP, "leave"),
    Key("space", "space", "pause", "pause at the next optimizer step, or go on", STAGE, STEP, "pause"),
    Key("full_stop", ".", "step", "let a paused stage do one optimizer step", STAGE, STEP, "one step"),
    Key("b", "b", "abort", "abort the running stage", STAGE, STEP, "abort"),
    *(
        Key(str(number), str(number), f"panel('{name}')", name, MOVE, STEP)
        for number, name in ((2, "loss"), (3, "gradients"), (4, "output"), (5, "evidence"))
    ),
    Key("tab", "tab", "next_panel(1)", "next panel beside a running stage, the one before", MOVE, STEP),
    Key("shift+tab", "shift+tab", "next_panel(-1)", "", MOVE, STEP),
    Key("l", "l", "log_scale", "logarithmic scale", CHART, STEP),
)
_EVIDENCE_KEYS = (
    *(
        Key(str(number), str(number), f"page('{name}')", name, MOVE, EVIDENCE)
        for number, name in enumerate(
            ("items", "curves", "batch", "shapes", "gradients", "findings", "files", "output"), 1
        )
    ),
    Key("tab,right", "tab", "next_page(1)", "next page, the one before", PAGES, EVIDENCE, "page"),
    Key("shift+tab,left", "shift+tab", "next_page(-1)", "", PAGES, EVIDENCE),
    Key("up,k", "↑", "scroll(-1)", "scroll, choose a finding", PAGES, EVIDENCE),
    Key("down,j", "↓", "scroll(1)", "", PAGES, EVIDENCE),
    Key("pageup", "pgup", "scroll_page(-1)", "a page up, down", PAGES, EVIDENCE),
    Key("pagedown", "pgdn", "scroll_page(1)", "", PAGES, EVIDENCE),
    Key("home", "home", "edge(-1)", "to the start, to the end", PAGES, EVIDENCE),
    Key("end", "end", "edge(1)", "", PAGES, EVIDENCE),
    Key("enter", "enter", "explain", "explain the chosen finding", PAGES, EVIDENCE, "explain"),
    Key("l", "l", "log_scale", "logarithmic scale of the curves", PAGES, EVIDENCE, "log scale"),
    Key("f", "f", "fold", "gradients by module, or by parameter", PAGES, EVIDENCE),
    Key("escape,q,e,o", "q", "close", "back to the checklist", PAGES, EVIDENCE, "back"),
)
_BROWSE_KEYS = (
    Key("enter", "enter", "open", "open the run: live while it goes on, else as a replay", RUNS, BROWSE, "open"),
    Key("space", "space", "mark", "mark the run, or take the mark away", RUNS, BROWSE, "mark"),
    Key("c", "c", "compare", "lay the curves of the marked runs over each other", RUNS, BROWSE, "compare"),
    Key("r", "r", "report", "write the evidence pack of the run, the marked ones beside it", RUNS, BROWSE, "report"),
    Key("t", "t", "tag", "give the run tags", RUNS, BROWSE, "tag"),
    Key("n", "n", "note", "write a note on the run", RUNS, BROWSE, "note"),
    Key("d", "d", "prune", "remove the marked runs, or this one: it shows them and asks", RUNS, BROWSE, "prune"),
    Key(
        "slash", "/", "filter", "filter: failed tag:x note:x loss<0.1 older:7d, - turns around", LIST, BROWSE, "filter"
    ),
    Key("o", "o", "sort(1)", "sort by the next column, the one before", LIST, BROWSE, "sort"),
    Key("O", "O", "sort(-1)", "", LIST, BROWSE),
    Key("i", "i", "turn", "turn the order around", LIST, BROWSE),
    Key("up,k", "↑", "choose(-1)", "choose a run", LIST, BROWSE),
    Key("down,j", "↓", "choose(1)", "", LIST, BROWSE),
    Key("pageup", "pgup", "choose_page(-1)", "a page up, down", LIST, BROWSE),
    Key("pagedown", "pgdn", "choose_page(1)", "", LIST, BROWSE),
    Key("home", "home", "edge(-1)", "to the start, to the end", LIST, BROWSE),
    Key("end", "end", "edge(1)", "", LIST, BROWSE),
    Key("escape", "esc", "back", "drop the marks, then the filter", LIST, BROWSE),
    Key("q,ctrl+c", "q", "leave", "leave", RUNS, BROWSE, "leave"),
    Key("T", "T", "theme", "next theme: dark, light, terminal, plain", SCREEN, BROWSE),
)
_OVERLAY_KEYS = (
    Key("c,tab,right", "c", "next_chart(1)", "next series, the one before", CHART, OVERLAY, "series"),
    Key("C,shift+tab,left", "C", "next_chart(-1)", "", CHART, OVERLAY),
    Key("l", "l", "log_scale", "logarithmic scale", CHART, OVERLAY, "log scale"),
    Key("x", "x", "time_axis", "over steps, or over the time since the start", CHART, OVERLAY, "steps/time"),
    Key("m", "m", "smooth", "averages, or the values themselves", CHART, OVERLAY, "smooth"),
    Key("plus,equals_sign", "+", "zoom_chart(1)", "fewer, more steps at once", CHART, OVERLAY),
    Key("minus", "-", "zoom_chart(-1)", "", CHART, OVERLAY),
    Key("q,ctrl+c,escape", "q", "leave", "leave", RUN, OVERLAY, "back"),
)

KEYMAP: tuple[Key, ...] = (
    Key("question_mark,f1", "?", "help", "all keys", SCREEN, EVERY, "help"),
    Key("q,ctrl+c", "q", "leave", "leave: the training goes on, or is stopped: it asks", RUN, LIVE, "leave or stop"),
    Key("q,ctrl+c", "q", "leave", "leave", RUN, REPLAY, "leave"),
    Key("space", "space", "pause", "pause the training at the next step, or let it go on", RUN, LIVE, "pause training"),
    Key("full_stop", ".", "step", "let a paused training do one step", RUN, LIVE, "one step"),
    Key("i", "i", "console", "type into the training (input(), pdb, Ctrl-C); Ctrl-] comes back", RUN, LIVE),
    Key("b", "b", "pause_facts", "what the step before the pause was made of: batch, samples, tensors", TABLES),
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
    Key("enter", "enter", "explain", "explain a finding (x there: its whole page)", MOVE, short="explain"),
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
    Key("p", "p", "predictions", "what the model answered in the last evaluation: classes, samples", TABLES),
    Key("slash", "/", "filter", "filter parameters, search the output", TABLES, short="filter"),
    Key("f", "f", "fold", "gradient health by module, or by parameter", TABLES),
    Key("t", "t", "theme", "next theme: dark, light, terminal, plain", SCREEN, EVERY),
    Key("s", "s", "screenshot", "save the screen as SVG in the run's folder", SCREEN, EVERY),
    *_REHEARSAL_KEYS,
    *_EVIDENCE_KEYS,
    *_BROWSE_KEYS,
    *_OVERLAY_KEYS,
)  # fmt: skip


def keys_for(mode: str) -> tuple[Key, ...]:
    """The keys of a live or an attached screen ("live"), of a replay, of a rehearsal ("step") or of its evidence, of
    the list of runs ("browse") or of several runs' curves. A mode's own key goes before one of every mode."""
    shared = (EVERY, BOTH) if mode in (LIVE, REPLAY) else (EVERY,)
    own = {name for key in KEYMAP if key.mode == mode for name in key.keys.split(",")}
    return tuple(
        key
        for key in KEYMAP
        if key.mode == mode or (key.mode in shared and (key.mode != EVERY or own.isdisjoint(key.keys.split(","))))
    )


def footer_keys(mode: str, *, over: bool = False, without: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """(key, word) for the last line, most needed first. over: nothing can be asked of the training any more. without:
    actions that mean nothing now."""
    first = ("?", "q", "space") if mode in (LIVE, REPLAY) else ("?", "q", "space", "enter")
    keys = [key for key in keys_for(mode) if key.short and key.action not in without]
    for key in sorted(keys, key=lambda key: first.index(key.label) if key.label in first else len(first)):
        if not over or key.group != RUN:
            yield key.label, key.short
        elif key.action == "leave":
            yield key.label, "leave"


def grouped(mode: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(group, [(keys, description)]) for the help screen; panels share a row, and so do pairs."""
    keys = keys_for(mode)
    for group in GROUPS:
        rows: list[tuple[str, str]] = []
        numbers = [key for key in keys if key.group == group and key.label.isdigit()]
        if numbers:
            words = ", ".join(key.description for key in numbers)
            what = "page" if mode == EVIDENCE else "panel"
            rows.append((f"{numbers[0].label}–{numbers[-1].label}", f"a {what}: {words}"))
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
    for mode, told in _TOLD.items():
        for group, keys in grouped(mode):
            if told is not None and group not in told:
                continue
            where = _WHERE.get(mode, group)
            rows += [f"| {_as_code(label)} | {description} | {where} |" for label, description in keys]
    return "\n".join(rows) + "\n"


# The groups of each mode in the documentation, so that nothing is told twice; None: all of them.
_TOLD: dict[str, tuple[str, ...] | None] = {
    LIVE: None, REPLAY: (PLAYBACK, RUN), STEP: (REHEARSAL, STAGE, MOVE, CHART), EVIDENCE: (PAGES, MOVE),
    BROWSE: (RUNS, LIST, SCREEN), OVERLAY: (CHART, RUN),
}  # fmt: skip
_WHERE = {
    REPLAY: "replay", STEP: "`dlmon step`", EVIDENCE: "its evidence", BROWSE: "`dlmon ls`",
    OVERLAY: "`dlmon compare --screen`",
}  # fmt: skip


def _as_code(label: str) -> str:
    return " ".join(f"`{key}`" for key in label.split(" "))
