"""The command line. Only click and the standard library are imported here; each command imports what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

import dlmon
from dlmon.arguments import Fraction, Group, RunCommand, Share, target
from dlmon.errors import USAGE, UserError

_PIPE_CLOSED = 141  # 128 + SIGPIPE, as of a program that wrote to a pipe nobody reads


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_runs_dir = click.option("--runs-dir", metavar="DIR", help="Where runs are kept (DLMON_RUNS; default: ./dlmon_runs).")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_python = click.option("--python", metavar="PATH", help="The training's Python (default: found by itself).")
_screen = _options(
    click.option("--headless", is_flag=True, help="No screen: plain lines. Also without a terminal."),
    click.option("--json", "as_json", is_flag=True, help="No screen: the run's events as JSON lines on stdout."),
    click.option("--ascii", is_flag=True, help="Draw with ASCII characters only."),
    click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain."),
)

_rehearsal = _options(
    click.option("--stages", metavar="NAMES", help="Stages to run, such as smoke,overfit, or all."),
    click.option("--timeout", type=float, default=600.0, metavar="SECONDS", help="Most time per stage (default: 600)."),
    click.option(
        "--overfit-steps", type=int, default=300, metavar="N", help="Optimizer steps on one batch (default: 300)."
    ),
    click.option(
        "--fraction", type=Fraction(), default="0.1", help="Part of the training data in subset (default: 0.1)."
    ),
    click.option("--compile", is_flag=True, help="Leave torch.compile on; without it, modules are not compiled."),
    _runs_dir,
    click.option("--name", metavar="NAME", help="Name of the rehearsal (default: the script's)."),
    _python,
)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="[OPTIONS] train.py [ARGS]...  |  COMMAND [ARGS]...",
    options_metavar="",
)
@click.version_option(dlmon.__version__, "--version", message="dlmon %(version)s")
def cli() -> None:
    """Run `dlmon train.py` instead of `python train.py`: the training as it is, with its loss, gradients, GPU and
    findings live in the terminal.

    \b
      dlmon train.py --lr 0.1                         a script; what follows it is its own
      dlmon -m package.train                          a module
      dlmon torchrun --nproc-per-node 2 train.py      any launcher
      dlmon -- ./train.sh                             any command

    Options of dlmon stand before the script; `dlmon run --help` lists them. A script that is called like a command
    is started with `dlmon run`.
    """


@cli.command(
    cls=RunCommand,
    short_help="Start a training and show it (the default).",
    epilog="The exit code is the training's own (128+n when signal n ended it), or 0 when the screen was left.",
)
@_screen
@_runs_dir
@click.option("--name", metavar="NAME", help="Name of the run (default: the script's).")
@_python
@click.option("--overhead", type=Share(), default="1%", help="Step time that the probes may take (default: 1%).")
@click.option("--break-when", multiple=True, metavar="CONDITION", help="Pause when it turns true: 'loss > 10'.")
@click.option("--stop-when", multiple=True, metavar="CONDITION", help="Stop when it turns true: 'val_loss.stale(5)'.")
@click.option("--on-finding", default="", metavar="CMD", help="Run CMD for each error or warning, its JSON on stdin.")
@click.option("--tensorboard", metavar="DIR", help="Also write everything to DIR as TensorBoard events, while it runs.")
@click.pass_obj
def run(
    obj: dict[str, Any],
    headless: bool,
    as_json: bool,
    ascii: bool,
    theme: str | None,
    runs_dir: str | None,
    name: str | None,
    python: str | None,
    overhead: float,
    break_when: tuple[str, ...],
    stop_when: tuple[str, ...],
    on_finding: str,
    tensorboard: str | None,
) -> int:
    """Start a training and show it. The word `run` may be left out. CONDITION: see `dlmon explain conditions`."""
    from dlmon.commands import run as command
    from dlmon.runs import runs_folder
    from dlmon.watch.orders import Orders

    argv, module, literal = target(obj["argv"])
    look = command.Look(headless, as_json, ascii, theme)
    return command.run(
        argv, module=module, literal=literal, python=python, runs=runs_folder(runs_dir), name=name, overhead=overhead,
        look=look, orders=Orders(break_when, stop_when, on_finding), tensorboard=tensorboard,
    )  # fmt: skip


@cli.command(
    cls=RunCommand,
    short_help="Rehearse a training, stage by stage, without a screen: for CI, and before a long job.",
    epilog="Exit code: 0 when nothing failed, 1 when a stage failed, 2 when the script could not be started.",
)
@_rehearsal
@_json
@click.option("--junit", metavar="FILE", help="Write the verdicts as JUnit XML, too.")
@click.option("--strict", is_flag=True, help="Count inconclusive stages as failed.")
@click.option("--ascii", is_flag=True, help="Print ASCII characters only.")
@click.pass_obj
def check(obj: dict[str, Any], /, as_json: bool, junit: str | None, strict: bool, ascii: bool, **chosen: Any) -> int:
    """Rehearse a training without a screen: review, smoke, engine and overfit (see --stages), each with a verdict.

    What the script writes from Python goes into the rehearsal's folder, and not into its project.
    """
    from dlmon.commands import rehearse

    argv, module, literal = target(obj["argv"])
    order = rehearse.order(argv, module=module, literal=literal, **chosen)
    return rehearse.check(order, as_json=as_json, junit=junit, strict=strict, ascii=ascii)


@cli.command(
    cls=RunCommand,
    short_help="Rehearse a training stage by stage, on the screen.",
    epilog="Exit code: 0 when nothing failed, 1 when a stage failed, 2 when the script could not be started.",
)
@_rehearsal
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain.")
@click.pass_obj
def step(obj: dict[str, Any], /, ascii: bool, theme: str | None, **chosen: Any) -> int:
    """Rehearse a training on the screen: Enter runs the next stage, and you look at what it found before going on.

    Without a terminal this is `dlmon check`.
    """
    from dlmon.commands import rehearse

    argv, module, literal = target(obj["argv"])
    order = rehearse.order(argv, module=module, literal=literal, **chosen)
    return rehearse.step(order, ascii=ascii, theme=theme)


@cli.command(cls=RunCommand, short_help="Read a training script and say what is wrong in it; nothing runs.")
@_json
@click.pass_obj
def review(obj: dict[str, Any], as_json: bool) -> int:
    """Read a training script, and the local modules that it imports, for the slips that can be seen without running it.

    Exit code: 0 when nothing worse than a hint was found, 1 otherwise. `# dlmon: ignore[id]` silences a line.
    """
    from dlmon.commands import review as command

    argv, module, _ = target(obj["argv"])
    return command.review(argv, module=module, as_json=as_json)


@cli.command(short_help="Show a run that goes on; any number of screens at once.")
@click.argument("name", metavar="[RUN]", required=False)
@_screen
@_runs_dir
def attach(
    name: str | None, headless: bool, as_json: bool, ascii: bool, theme: str | None, runs_dir: str | None
) -> int:
    """Show a run: the newest that goes on, or RUN (a folder, the beginning of a name, or `last`). One that is over is
    shown at its end."""
    from dlmon.commands import look
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    return look.attach(name, runs_folder(runs_dir), Look(headless, as_json, ascii, theme))


@cli.command(short_help="Browse the runs: filter, sort, tag, compare, prune.")
@_json
@click.option("--headless", is_flag=True, help="No screen: a table. Also without a terminal.")
@click.option("--filter", "wanted", default="", metavar="WORDS", help="Only runs like 'failed tag:baseline loss<0.1'.")
@click.option("--sort", metavar="COLUMN", help="time (default), name, state, steps, loss, seconds or size; - reverses.")
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain.")
@_runs_dir
def ls(
    as_json: bool, headless: bool, wanted: str, sort: str | None, ascii: bool, theme: str | None, runs_dir: str | None
) -> int:
    """Browse the runs: state, steps, last loss, time, size on disk, tags and notes. Without a terminal, a table."""
    from dlmon.commands import listing
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    return listing.ls(runs_folder(runs_dir), Look(headless, as_json, ascii, theme), wanted=wanted, sort=sort)


@cli.command(short_help="Give a run tags and a note.")
@click.argument("name", metavar="RUN")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag.")
@click.option("--untag", multiple=True, metavar="TAG", help="Take a tag away.")
@click.option("--note", metavar="TEXT", help="Set the note; '' takes it away.")
@_runs_dir
def mark(name: str, tags: tuple[str, ...], untag: tuple[str, ...], note: str | None, runs_dir: str | None) -> int:
    """Give RUN tags and a note, by which `dlmon ls` finds it; without options, print them."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.mark(name, runs_folder(runs_dir), tags=tags, untag=untag, note=note)


@cli.command(short_help="Remove old runs; shows what would go unless --yes.")
@click.argument("names", metavar="[RUN]...", nargs=-1)
@click.option("--older-than", metavar="AGE", help="Runs that ended longer ago than this: 30d, 12h.")
@click.option("--keep", type=int, metavar="N", help="Spare the newest N runs.")
@click.option("--filter", "wanted", default="", metavar="WORDS", help="Only runs like 'failed -tag:keep'.")
@click.option("--yes", is_flag=True, help="Remove them. Without it nothing is removed.")
@_json
@_runs_dir
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


@cli.command(short_help="Show a recorded run again.")
@click.argument("name", metavar="RUN")
@_screen
@click.option("--speed", type=float, metavar="X", help="No screen: X times as fast as it was (default: at once).")
@_runs_dir
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


@cli.command(short_help="Say what is wrong with a run.")
@click.argument("name", metavar="RUN")
@_json
@click.option("--all", "everything", is_flag=True, help="Also the checks that lacked the facts, and what was resolved.")
@_runs_dir
def findings(name: str, as_json: bool, everything: bool, runs_dir: str | None) -> int:
    """Say what is wrong with RUN (a folder, the beginning of a name, or `last`), with evidence and what to do."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.findings(name, runs_folder(runs_dir), as_json=as_json, everything=everything)


@cli.command(short_help="Write the evidence pack of a run: tables, curves, findings, one HTML page.")
@click.argument("names", metavar="RUN [OTHER]...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DIR", help="Where to (default: report/ in the run's folder).")
@_json
@_runs_dir
def report(names: tuple[str, ...], output: str | None, as_json: bool, runs_dir: str | None) -> int:
    """Write the evidence pack of RUN, from its log alone; OTHER runs stand beside it in the comparison of models."""
    from dlmon.commands import report as command
    from dlmon.runs import runs_folder

    return command.report(names, runs_folder(runs_dir), output=output, as_json=as_json)


@cli.command(short_help="Compare runs: what differs, and what came of it.")
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--fail-if", "fail_if", multiple=True, metavar="CONDITION", help="Exit 1 if: 'val_loss > baseline*1.02'.")
@click.option("--note", metavar="FILE", help="Write a template of an experiment note to FILE.")
@click.option("--screen", is_flag=True, help="Lay the curves over each other on the screen.")
@_json
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain.")
@_runs_dir
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


@cli.command(short_help="Write a run for other tools: TensorBoard, CSV, Parquet, JSON lines, asciicast.")
@click.argument("name", metavar="RUN")
@click.option("--tensorboard", metavar="DIR", help="TensorBoard event files.")
@click.option("--csv", metavar="FILE", help="One row per step, a column for each series.")
@click.option("--parquet", metavar="FILE", help="The same as Parquet; needs pyarrow.")
@click.option("--jsonl", metavar="FILE", help="One JSON object per step.")
@click.option("--asciicast", metavar="FILE", help="The output with its times, for asciinema play.")
@_runs_dir
def export(
    name: str, tensorboard: str | None, csv: str | None, parquet: str | None, jsonl: str | None,
    asciicast: str | None, runs_dir: str | None,
) -> int:  # fmt: skip
    """Write RUN in the form of another tool; `-` as FILE is stdout. RUN may be what `dlmon replay` takes."""
    from dlmon.commands import export as command
    from dlmon.runs import runs_folder

    wanted = command.Wanted(tensorboard, csv, parquet, jsonl, asciicast)
    return command.export(name, runs_folder(runs_dir), wanted)


@cli.command(short_help="Explain a finding: what it means, how to confirm and how to fix it.")
@click.argument("id", metavar="[ID]", required=False)
@click.option("--list", "as_list", is_flag=True, help="List everything that can be explained.")
def explain(id: str | None, as_list: bool) -> int:
    """Print the page of a finding, such as `dlmon explain loop.no_zero_grad`. The beginning of an ID is enough."""
    from dlmon.commands import explain as command

    return command.explain(id, as_list=as_list)


@cli.command(short_help="Say what works here and what does not.")
@_json
@_python
@_runs_dir
def doctor(as_json: bool, python: str | None, runs_dir: str | None) -> int:
    """Say what works here and what does not: Python, torch, probes, GPU, terminal, permissions."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.doctor(runs_folder(runs_dir), python=python, as_json=as_json)


def main(args: Sequence[str] | None = None) -> None:
    """Entry point: errors of the user are one line, without a traceback."""
    sys.exit(invoke(args))


def invoke(args: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code."""
    try:
        code = cli.main(args=None if args is None else list(args), prog_name="dlmon", standalone_mode=False)
        return int(code or 0)
    except UserError as error:
        _complain(str(error))
        return error.code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "dlmon"
        message = error.format_message()
        _complain(f"{message}{'' if message.endswith(('.', '?', '!')) else '.'} See: {path} --help")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        from dlmon.headless.console import forget_stdout

        forget_stdout()
        return _PIPE_CLOSED


def _complain(message: str) -> None:
    click.echo(f"dlmon: {message}", err=True)
