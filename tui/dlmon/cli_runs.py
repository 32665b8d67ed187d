"""Commands about runs that are recorded. Each imports what it needs."""

from __future__ import annotations

import click

from dlmon.options import json_option, runs_dir_option, screen_options


@click.command(short_help="Browse the runs: filter, sort, tag, compare, prune.")
@json_option
@click.option("--headless", is_flag=True, help="No screen: a table. Also without a terminal.")
@click.option("--filter", "wanted", default="", metavar="WORDS", help="Only runs like 'failed tag:baseline loss<0.1'.")
@click.option("--sort", metavar="COLUMN", help="time (default), name, state, steps, loss, seconds or size; - reverses.")
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain.")
@runs_dir_option
def ls(
    as_json: bool, headless: bool, wanted: str, sort: str | None, ascii: bool, theme: str | None, runs_dir: str | None
) -> int:
    """Browse the runs: state, steps, last loss, time, size on disk, tags and notes. Without a terminal, a table."""
    from dlmon.commands import listing
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    return listing.ls(runs_folder(runs_dir), Look(headless, as_json, ascii, theme), wanted=wanted, sort=sort)


@click.command(short_help="Give a run tags and a note.")
@click.argument("name", metavar="RUN")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag.")
@click.option("--untag", multiple=True, metavar="TAG", help="Take a tag away.")
@click.option("--note", metavar="TEXT", help="Set the note; '' takes it away.")
@runs_dir_option
def mark(name: str, tags: tuple[str, ...], untag: tuple[str, ...], note: str | None, runs_dir: str | None) -> int:
    """Give RUN tags and a note, by which `dlmon ls` finds it; without options, print them."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.mark(name, runs_folder(runs_dir), tags=tags, untag=untag, note=note)


@click.command(short_help="Remove old runs; shows what would go unless --yes.")
@click.argument("names", metavar="[RUN]...", nargs=-1)
@click.option("--older-than", metavar="AGE", help="Runs that ended longer ago than this: 30d, 12h.")
@click.option("--keep", type=int, metavar="N", help="Spare the newest N runs.")
@click.option("--filter", "wanted", default="", metavar="WORDS", help="Only runs like 'failed -tag:keep'.")
@click.option("--yes", is_flag=True, help="Remove them. Without it nothing is removed.")
@json_option
@runs_dir_option
def prune(
    names: tuple[str, ...], older_than: str | None, keep: int | None, wanted: str, yes: bool, as_json: bool,
    runs_dir: str | None,
) -> int:  # fmt: skip
    """List the runs that are over and fit, with what they take on disk; with --yes remove them. Runs that go on, and
    folders that are no runs, are never touched."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.prune(
        names, runs_folder(runs_dir), older_than=older_than, keep=keep, wanted=wanted, yes=yes, as_json=as_json
    )


@click.command(short_help="Show a recorded run again.")
@click.argument("name", metavar="RUN")
@screen_options
@click.option("--speed", type=float, metavar="X", help="No screen: X times as fast as it was (default: at once).")
@runs_dir_option
def replay(
    name: str, headless: bool, as_json: bool, ascii: bool, theme: str | None, speed: float | None, runs_dir: str | None
) -> int:
    """Show RUN (a folder, the beginning of a name, or `last`) again, from its beginning.

    RUN may also be what another tool wrote: TensorBoard events, a CSV or JSON-lines file of metrics, a
    trainer_state.json, an offline .wandb file; one that still grows is followed.
    """
    from dlmon.commands import look
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    return look.replay(name, runs_folder(runs_dir), Look(headless, as_json, ascii, theme), speed=speed)


@click.command(short_help="Write the evidence pack of a run: tables, curves, findings, one HTML page.")
@click.argument("names", metavar="RUN [OTHER]...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DIR", help="Where to (default: report/ in the run's folder).")
@json_option
@runs_dir_option
def report(names: tuple[str, ...], output: str | None, as_json: bool, runs_dir: str | None) -> int:
    """Write the evidence pack of RUN, from its log alone; OTHER runs stand beside it in the comparison of models."""
    from dlmon.commands import report as command
    from dlmon.runs import runs_folder

    return command.report(names, runs_folder(runs_dir), output=output, as_json=as_json)


@click.command(short_help="Compare runs: what differs, and what came of it.")
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--fail-if", "fail_if", multiple=True, metavar="CONDITION", help="Exit 1 if: 'val_loss > baseline*1.02'.")
@click.option("--note", metavar="FILE", help="Write a template of an experiment note to FILE.")
@click.option("--screen", is_flag=True, help="Lay the curves over each other on the screen.")
@json_option
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain.")
@runs_dir_option
def compare(
    names: tuple[str, ...], fail_if: tuple[str, ...], note: str | None, screen: bool, as_json: bool, ascii: bool,
    theme: str | None, runs_dir: str | None,
) -> int:  # fmt: skip
    """Compare runs with the first one, the baseline: what was changed, then metrics beyond their noise, curves, times,
    memory and findings. Exit code 1 when a --fail-if holds."""
    from dlmon.commands import compare as command
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    look = Look(not screen, as_json, ascii, theme)
    return command.compare(names, runs_folder(runs_dir), look, fail_if=fail_if, note=note)


@click.command(short_help="Write a run for other tools: TensorBoard, CSV, Parquet, JSON lines, asciicast.")
@click.argument("name", metavar="RUN")
@click.option("--tensorboard", metavar="DIR", help="TensorBoard event files.")
@click.option("--csv", metavar="FILE", help="One row per step, a column for each series.")
@click.option("--parquet", metavar="FILE", help="The same as Parquet; needs pyarrow.")
@click.option("--jsonl", metavar="FILE", help="One JSON object per step.")
@click.option("--asciicast", metavar="FILE", help="The output with its times, for asciinema play.")
@runs_dir_option
def export(
    name: str, tensorboard: str | None, csv: str | None, parquet: str | None, jsonl: str | None,
    asciicast: str | None, runs_dir: str | None,
) -> int:  # fmt: skip
    """Write RUN in the form of another tool; `-` as FILE is stdout. RUN may be what `dlmon replay` takes."""
    from dlmon.commands import export as command
    from dlmon.runs import runs_folder

    wanted = command.Wanted(tensorboard, csv, parquet, jsonl, asciicast)
    return command.export(name, runs_folder(runs_dir), wanted)


ALL = (ls, mark, prune, replay, report, compare, export)
