"""Programs that the script starts (ffmpeg, tar, git…) know no overlay: paths that exist only there are handed over as
the real files that hold them. What such a program writes elsewhere is written for real, and is not seen.
"""

from __future__ import annotations

import functools
import os
import posix
import sys
from typing import Any, Optional

from dlmon_probes.inject import failures, finder
from dlmon_probes.stages.files import overlay


def watch() -> None:
    """Arm the hook. At process start."""
    finder.watch("subprocess", after=_patch)


def _patch() -> None:
    """At the class: subprocess.run, asyncio and os.popen all end there."""
    subprocess: Any = sys.modules["subprocess"]
    original = subprocess.Popen.__init__

    @functools.wraps(original)
    def __init__(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        files = overlay.active()
        if files is not None and files.tree.begun():
            try:
                if not options.get("cwd") and isinstance(args, (list, tuple)) and not _is_python(args):
                    args = [_handed_over(files, word) for word in args]
                if options.get("cwd"):
                    options["cwd"] = _folder(files, options["cwd"])
            except Exception as error:
                failures.note("programs", error)
        original(self, args, *rest, **options)

    subprocess.Popen.__init__ = __init__


def _is_python(args: Any) -> bool:
    """Python has the overlay itself."""
    return bool(args) and os.path.basename(os.fsdecode(args[0])).startswith("python")


def _handed_over(files: overlay.Overlay, word: Any) -> Any:
    """Where a path that the program could not find by itself really lies."""
    spot = files.tree.spot(word) if isinstance(word, (str, bytes, os.PathLike)) else None
    if spot is None or files.tree.territory.passes(spot[0]):
        return word
    place = files.tree.root + spot[0]
    if _is_there(place):
        return place
    folder = spot[0].rpartition("/")[0]  # a new file, in a folder that only the overlay has
    return place if _is_there(files.tree.root + folder) and not files.tree.really(folder) else word


def _folder(files: overlay.Overlay, name: Any) -> Any:
    spot = files.tree.spot(name)
    if spot is None or files.tree.territory.passes(spot[0]) or files.tree.really(spot[0]):
        return name
    place: Optional[str] = files.tree.root + spot[0]
    return place


def _is_there(place: str) -> bool:
    try:
        posix.lstat(place)
        return True
    except OSError:
        return False
