"""Run as a script: N random file operations from a seed, and what came of each, printed. It stands alone: the tests run
it in a rehearsal and without one, in equal folders, and compare."""

# What is tried here is os, open and shutil, beside pathlib:
# ruff: noqa: PTH103, PTH109, PTH110, PTH112, PTH114, PTH115, PTH118, PTH123, PTH211

from __future__ import annotations

import contextlib
import errno
import glob
import os
import pathlib
import random
import shutil
import sys

NAMES = [
    "a",
    "b",
    "d",
    "d/a",
    "d/b",
    "d/e",
    "d/e/a",
    "n",
    "n/a",
    "n/m",
    "n/m/a",
    "ln",
    "ln/a",
    "ln/e",
    "dang",
    "fl",
    "none/x",
]


def lay_out() -> None:
    """The tree that is there before the script starts."""
    os.makedirs("d/e")
    for name in ("a", "b", "d/a", "d/e/a"):
        pathlib.Path(name).write_text(f"real {name}")
    os.symlink("d", "ln")
    os.symlink("nowhere", "dang")
    os.symlink("a", "fl")


def tree() -> list[tuple[str, str]]:
    """Everything below the working folder: names, and contents, link targets or the word folder."""
    found = []
    for folder, folders, files in os.walk("."):
        if folder == ".":
            folders[:] = [name for name in folders if name not in ("run", "__pycache__")]
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found.append((path, "-> " + os.readlink(path)))
            elif os.path.isdir(path):
                found.append((path, "folder"))
            elif name != "train.py":
                found.append((path, pathlib.Path(path).read_text()))
    return sorted(found)


def write(mode: str, name: str, text: str) -> str:
    with open(name, mode) as file:
        file.write(text)
    return file.name


def update(name: str, text: str) -> str:
    with open(name, "r+") as file:
        before = file.read()
        file.seek(0)
        file.write(text)
    return before


def scan(name: str) -> list[tuple[object, ...]]:
    with os.scandir(name) as entries:
        return sorted(
            (e.name, e.path, e.is_dir(), e.is_file(), e.is_symlink(), e.is_dir(follow_symlinks=False)) for e in entries
        )


def kind(name: str) -> tuple[object, ...]:
    status = os.lstat(name)
    size = 0 if os.path.isdir(name) and not os.path.islink(name) else status.st_size
    return (status.st_mode, size, os.path.exists(name), os.path.isdir(name), os.path.islink(name), os.access(name, 4))


def low_level(name: str, flags: int) -> int:
    descriptor = os.open(name, flags, 0o640)
    try:
        return os.fstat(descriptor).st_size if flags & os.O_ACCMODE else 0
    finally:
        os.close(descriptor)


def within(folder: str, name: str) -> object:
    """By a descriptor of the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        inner = os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=descriptor)
        os.write(inner, b"by descriptor")
        os.close(inner)
        return os.stat(name, dir_fd=descriptor).st_size
    finally:
        os.close(descriptor)


def operation(pick: random.Random, number: int) -> tuple[object, ...]:
    one, two = pick.choice(NAMES), pick.choice(NAMES)
    path = pathlib.Path(one)
    text = f"text {number}"
    choices = [
        (write, "w", one, text), (write, "a", one, text), (write, "x", one, text), (update, one, text),
        (path.read_text,), (path.write_text, text), (path.touch,), (path.unlink,), (path.rename, two),
        (path.mkdir,), (os.makedirs, one), (os.mkdir, one), (os.rmdir, one), (os.remove, one), (os.rename, one, two),
        (os.replace, one, two), (os.symlink, one, two), (os.readlink, one), (os.link, one, two), (kind, one),
        (scan, one), (os.truncate, one, 3), (os.chmod, one, 0o640), (os.utime, one, (1, 1)),
        (shutil.copy, one, two), (shutil.copytree, one, two), (shutil.move, one, two), (shutil.rmtree, one),
        (glob.glob, one + "/*"), (low_level, one, os.O_RDWR), (low_level, one, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
        (low_level, one, os.O_RDONLY), (os.path.realpath, one), (within, one, "w"), (os.path.getmtime, one),
        (shutil.copytree, "d", "n"), (os.rename, "d", "n"), (os.rename, "n", "d"), (shutil.rmtree, "d"),
    ]  # fmt: skip
    return pick.choice(choices)


def outcome(function: object, *arguments: object) -> str:
    try:
        result = function(*arguments)  # type: ignore[operator]
    except OSError as error:
        if function is os.utime:  # names no file, or does, by the version of Python
            error.filename = None
        return f"{type(error).__name__} {errno.errorcode.get(error.errno or 0)} {error.filename} {error.filename2}"
    except (shutil.Error, UnicodeError) as error:
        return type(error).__name__
    if isinstance(result, list):
        result = sorted(result)
    if function is os.path.getmtime:
        result = result == 1.0
    return str(result).replace(os.getcwd(), "HERE")


def main() -> None:
    pick = random.Random(int(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        function, *arguments = operation(pick, number)
        name = getattr(function, "__qualname__", "")
        print(number, name, *arguments, "=>", outcome(function, *arguments))
    with contextlib.suppress(FileNotFoundError):
        print(*tree(), sep="\n")


if __name__ == "__main__":
    main()
