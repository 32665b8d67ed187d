"""Takes a command line apart: what is dlmon's, and what belongs to the script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dlmon.errors import UserError

COMMANDS = (
    "run", "check", "step", "review", "attach", "ls", "mark", "prune", "replay", "findings", "report", "compare",
    "export", "explain", "doctor",
)  # fmt: skip


class Group(click.Group):
    """`dlmon [options] train.py` is `dlmon run [options] train.py`; options before a command's name are its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            args = ["--help"]
        if args[0] in ("--help", "-h", "--version"):
            return super().parse_args(ctx, args)
        own, rest = split(args)
        if rest and rest[0] in COMMANDS:
            args = [rest[0], *own, *rest[1:]]
        else:
            args = ["run", *own, *rest]
        return super().parse_args(ctx, args)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)


class RunCommand(click.Command):
    """Everything from the script on belongs to the script, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, rest = split(args)
        ctx.ensure_object(dict)["argv"] = rest
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, _ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "train.py [ARGS]...  |  -m MODULE [ARGS]...  |  [--] COMMAND [ARGS]..."]


def split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """dlmon's own options, and the rest: from the script, `-m` or `--` on."""
    index = 0
    while index < len(args):
        word = args[index]
        if word in ("-", "--") or word.startswith("-m") or not word.startswith("-"):
            break
        index += 2 if word in _WITH_VALUE else 1
    return list(args[:index]), list(args[index:])


# Every option of any command that takes a value: the first word after it is not the script.
_WITH_VALUE = frozenset(
    {
        "--runs-dir", "--name", "--python", "--overhead", "--theme", "--speed",
        "--stages", "--timeout", "--overfit-steps", "--fraction", "--junit",
        "--break-when", "--stop-when", "--on-finding", "--tensorboard",
        "--filter", "--sort", "--tag", "--untag", "--note", "--older-than", "--keep", "-o", "--output", "--fail-if",
        "--csv", "--parquet", "--jsonl", "--asciicast",
    }
)  # fmt: skip


class Share(click.ParamType[float]):
    """A share of 1: `0.01` or `1%`."""

    name = "share"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            share = float("nan")
        if not 0 < share <= 1:
            self.fail(f"{text!r} is no share of step time; give a number above 0 and up to 1, such as 0.01 or 1%")
        return share


class Fraction(click.ParamType[float]):
    """A part of the training data: `0.1` or `10%`. The bounds are those of `Options`."""

    name = "fraction"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(
                f"{text!r} is no part of the training data; give a number above 0 and up to 1, such as 0.1 or 10%"
            )


def target(argv: list[str]) -> tuple[list[str], str | None, bool]:
    """What stands after the options: (arguments, module of `-m`, whether `--` stood in front)."""
    literal = bool(argv) and argv[0] == "--"
    words = argv[1:] if literal else argv
    if literal or not words or not words[0].startswith("-m"):
        return words, None, literal
    module, arguments = (words[0][2:], words[1:]) if len(words[0]) > 2 else (words[1] if words[1:] else "", words[2:])
    if not module:
        raise UserError("-m needs the name of a module: dlmon -m package.train")
    return arguments, module, False
