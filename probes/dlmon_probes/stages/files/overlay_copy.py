"""Copies of the user's files into the overlay, made before the script changes them."""

from __future__ import annotations

import errno
import itertools
import os
import posix
import stat

MOST = 2 << 30  # bytes: a larger file is opened as it is, and listed as really written
_CHUNK = 1 << 20
_numbers = itertools.count()


def copy_file(source: str, target: str, run: str) -> None:
    """Copy a regular file with its mode and times; `target` appears whole or not at all. Raises OSError."""
    scratch = os.path.join(run, f".copy-{os.getpid()}-{next(_numbers)}")
    status = posix.stat(source)
    reader = posix.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writer = posix.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _copy_bytes(reader, writer)
            posix.fchmod(writer, stat.S_IMODE(status.st_mode) | 0o600)
        finally:
            posix.close(writer)
        posix.utime(scratch, ns=(status.st_atime_ns, status.st_mtime_ns))
        posix.rename(scratch, target)
    except BaseException:
        try:
            posix.unlink(scratch)
        except OSError:
            pass
        raise
    finally:
        posix.close(reader)


def move(source: str, target: str, run: str) -> None:
    """Rename, across file systems too where it is a file. Raises OSError."""
    try:
        posix.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV or not stat.S_ISREG(posix.lstat(source).st_mode):
            raise
        if target.startswith(run + "/"):
            copy_file(source, target, run)
        else:
            copy_file(source, target, os.path.dirname(target))
        posix.unlink(source)


def _copy_bytes(reader: int, writer: int) -> None:
    in_kernel = getattr(posix, "copy_file_range", None)  # Linux: shares the blocks where the file system can
    while in_kernel is not None:
        try:
            if not in_kernel(reader, writer, 1 << 30):
                break
        except OSError:
            break
    while chunk := posix.read(reader, _CHUNK):  # what is left: both descriptors stand where the kernel stopped
        view = memoryview(chunk)
        while view:
            view = view[posix.write(writer, view) :]
