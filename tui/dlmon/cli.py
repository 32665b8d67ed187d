"""The command line. Only click and the standard library are imported here; each command imports what it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

import dlmon
from dlmon import cli_runs
from dlmon.arguments import Group, RunCommand, Share, target
from dlmon.errors import USAGE, UserError
from dlmon.options import json_option, python_option, rehearsal_options, runs_dir_option, screen_options

_PIPE_CLOSED = 141  # 128 + SIGPIPE, as of a program that wrote to a pipe nobody reads


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
@screen_options
@runs_dir_option
@click.option("--name", metavar="NAME", help="Name of the run (default: the script's).")
@python_option
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
@rehearsal_options
@json_option
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
@rehearsal_options
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
@json_option
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
@screen_options
@runs_dir_option
def attach(
    name: str | None, headless: bool, as_json: bool, ascii: bool, theme: str | None, runs_dir: str | None
) -> int:
    """Show a run: the newest that goes on, or RUN (a folder, the beginning of a name, or `last`). One that is over is
    shown at its end."""
    from dlmon.commands import look
    from dlmon.commands.run import Look
    from dlmon.runs import runs_folder

    return look.attach(name, runs_folder(runs_dir), Look(headless, as_json, ascii, theme))


@cli.command(short_help="Say what is wrong with a run.")
@click.argument("name", metavar="RUN")
@json_option
@click.option("--all", "everything", is_flag=True, help="Also the checks that lacked the facts, and what was resolved.")
@runs_dir_option
def findings(name: str, as_json: bool, everything: bool, runs_dir: str | None) -> int:
    """Say what is wrong with RUN (a folder, the beginning of a name, or `last`), with evidence and what to do."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.findings(name, runs_folder(runs_dir), as_json=as_json, everything=everything)


@cli.command(short_help="Explain a finding: what it means, how to confirm and how to fix it.")
@click.argument("id", metavar="[ID]", required=False)
@click.option("--list", "as_list", is_flag=True, help="List everything that can be explained.")
def explain(id: str | None, as_list: bool) -> int:
    """Print the page of a finding, such as `dlmon explain loop.no_zero_grad`. The beginning of an ID is enough."""
    from dlmon.commands import explain as command

    return command.explain(id, as_list=as_list)


@cli.command(short_help="Say what works here and what does not.")
@json_option
@python_option
@runs_dir_option
def doctor(as_json: bool, python: str | None, runs_dir: str | None) -> int:
    """Say what works here and what does not: Python, torch, probes, GPU, terminal, permissions."""
    from dlmon.commands import listing
    from dlmon.runs import runs_folder

    return listing.doctor(runs_folder(runs_dir), python=python, as_json=as_json)


for _command in cli_runs.ALL:
    cli.add_command(_command)


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
