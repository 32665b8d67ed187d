"""A command line as options with their values, so that two can be compared option by option."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

GIVEN = "given"  # the value of an option without one
PROGRAM = "program"

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ASSIGNED = re.compile(r"([A-Za-z_+~][\w.+/@-]*)=(.*)", re.DOTALL)  # hydra and nanoGPT: optimizer.lr=0.1

# What a person changes from run to run without meaning to change the training.
_PLACES = frozenset(
    {
        "name", "run-name", "runname", "exp-name", "exp", "experiment", "experiment-name", "tag", "tags", "note", "out",
        "output", "output-dir", "out-dir", "outdir", "save", "save-dir", "save-path", "savedir", "log", "log-dir",
        "logdir", "log-file", "logging-dir", "checkpoint-dir", "ckpt-dir", "results", "results-dir", "run-dir",
        "work-dir", "wandb-project", "wandb-name", "wandb-run-name", "project", "hydra.run.dir",
    }
)  # fmt: skip


def options_of(argv: Sequence[str]) -> dict[str, str]:
    """Options by name, as typed (`--lr`, `-b`, `optimizer.lr`), with their values; a repeated one has all of them.

    `program` is the script or module; what belongs to no option is `argument 1`, … The values are read as argparse
    would in most cases: which option takes none cannot be known, so `--flag x` counts as flag = x.
    """
    found: dict[str, str] = {}
    words = list(argv)
    place, position = 0, 0
    while place < len(words):
        word = words[place]
        place += 1
        assigned = _ASSIGNED.fullmatch(word)
        if word == "-m" and PROGRAM not in found and place < len(words):
            found[PROGRAM] = words[place]
            place += 1
        elif _is_option(word):
            name, sign, value = word.partition("=")
            if not sign and place < len(words) and not _is_option(words[place]):
                taken = _values(words, place)
                value = " ".join(words[place : place + taken])
                place += taken
            _put(found, name, value if sign or value else GIVEN)
        elif assigned:
            _put(found, assigned.group(1).lstrip("+"), assigned.group(2))
        elif PROGRAM not in found:
            found[PROGRAM] = word
        else:
            position += 1
            found[f"argument {position}"] = word
    return found


def _values(words: Sequence[str], place: int) -> int:
    """How many words belong to the option before `place`: more than one only where no option comes after them (a
    list such as `--layers 64 64 10` cannot be told from a value and an argument, and reads better as one)."""
    amount = 0
    while place + amount < len(words):
        word = words[place + amount]
        if _is_option(word) or (amount and (_ASSIGNED.fullmatch(word) or word.endswith((".py", ".sh")))):
            break
        amount += 1
        if word.endswith((".py", ".sh")):
            break
    return amount


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and _NUMBER.fullmatch(word) is None


def _put(found: dict[str, str], name: str, value: str) -> None:
    found[name] = f"{found[name]} {value}" if name in found else value


def same_value(one: str, other: str) -> bool:
    """Equal as text, or as numbers: 0.1 and 1e-1."""
    if one == other:
        return True
    if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):
        return float(one) == float(other)
    return False


def is_seed(name: str) -> bool:
    words = re.split(r"[-_.]+", name.strip("-").lower())
    return "seed" in words or name.lower().strip("-") in ("randomseed", "rngseed", "rng")


def is_place(name: str) -> bool:
    """Whether an option says where something goes or what it is called."""
    return name.strip("-").lower().replace("_", "-") in _PLACES


def same_program(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """By the file's name: where the folder lies does not matter here, its text is compared with the sources."""
    return PurePosixPath(one.get(PROGRAM, "")).name == PurePosixPath(other.get(PROGRAM, "")).name
