"""Targets that appear as a whole or not at all, and never in place of what is there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dlmon.errors import UserError, reason

STDOUT = "-"


@contextlib.contextmanager
def target(name: str) -> Iterator[BinaryIO]:
    """A file to write, or stdout for `-`. It gets its name when the block ends without an exception.

    Raises UserError where something has that name already, and where nothing can be written.
    """
    if name == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name).expanduser()
    refuse(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with scratch.open("xb") as file:
            yield file
            file.flush()
        place(scratch, path)
    except OSError as error:
        raise UserError(f"cannot write {name}: {reason(error)}") from None
    finally:
        scratch.unlink(missing_ok=True)


def refuse(path: Path) -> None:
    """Raises UserError when there is something at a path."""
    if os.path.lexists(path):
        raise UserError(f"{path} is there already: remove it, or choose another name")


def place(scratch: Path, path: Path) -> None:
    """Give a finished file its name. A link, not a rename: a rename would replace what came up meanwhile."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise UserError(f"{path} is there already: remove it, or choose another name") from None
    except OSError:  # a file system without hard links
        refuse(path)
        scratch.rename(path)
