"""Options that several commands have. Only click and the standard library are imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from dlmon.arguments import Fraction


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order of the help text."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


runs_dir_option = click.option(
    "--runs-dir", metavar="DIR", help="Where runs are kept (DLMON_RUNS; default: ./dlmon_runs)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
python_option = click.option("--python", metavar="PATH", help="The training's Python (default: found by itself).")
screen_options = together(
    click.option("--headless", is_flag=True, help="No screen: plain lines. Also without a terminal."),
    click.option("--json", "as_json", is_flag=True, help="No screen: the run's events as JSON lines on stdout."),
    click.option("--ascii", is_flag=True, help="Draw with ASCII characters only."),
    click.option("--theme", metavar="NAME", help="Colours of the screen: dark, light, terminal or plain."),
)

rehearsal_options = together(
    click.option("--stages", metavar="NAMES", help="Stages to run, such as smoke,overfit, or all."),
    click.option("--timeout", type=float, default=600.0, metavar="SECONDS", help="Most time per stage (default: 600)."),
    click.option(
        "--overfit-steps", type=int, default=300, metavar="N", help="Optimizer steps on one batch (default: 300)."
    ),
    click.option(
        "--fraction", type=Fraction(), default="0.1", help="Part of the training data in subset (default: 0.1)."
    ),
    click.option("--compile", is_flag=True, help="Leave torch.compile on; without it, modules are not compiled."),
    runs_dir_option,
    click.option("--name", metavar="NAME", help="Name of the rehearsal (default: the script's)."),
    python_option,
)
