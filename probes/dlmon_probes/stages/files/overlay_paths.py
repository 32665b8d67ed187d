"""Which paths a rehearsal really writes: temporary files, caches and the run's own folder. All else is overlaid."""

from __future__ import annotations

import os
import sys
from typing import Optional

PROJECT = "DLMON_PROJECT"  # the folders of the project, as the first process of the stage saw them, by os.pathsep

SYSTEM = ("/dev/", "/proc/", "/sys/")  # their links lead to pipes and terminals: never resolved
_TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp", "/run", "/dev", "/proc", "/sys")
_TEMPORARY_VARIABLES = ("TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR")
_CACHE_VARIABLES = (
    "XDG_CACHE_HOME", "TORCH_HOME", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_HOME",
    "TRITON_CACHE_DIR", "CUDA_CACHE_PATH", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE",
    "HF_MODULES_CACHE", "TRANSFORMERS_CACHE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX", "NLTK_DATA",
    "KERAS_HOME", "TFHUB_CACHE_DIR",
)  # fmt: skip
_HOME_CACHES = (".cache", ".triton", ".nv", ".keras", "nltk_data")
_BUILT = ("/__pycache__/", "/site-packages/", "/dist-packages/")


class Territory:
    """Knows what is really written. The longest folder that holds a path decides: a project under /tmp is overlaid,
    a cache in the project is not."""

    def __init__(self, run: str, project: tuple[str, ...]) -> None:
        rules = {real: True for real in map(_real, _open_folders()) if real}
        rules.update({_real(folder): False for folder in project if _real(folder) != "/"})
        rules[_real(run)] = True
        self._rules = [(folder, folder + "/", really) for folder, really in rules.items()]
        self._rules.sort(key=lambda rule: -len(rule[0]))

    def passes(self, path: str, removing: bool = False) -> bool:
        """Whether a canonical absolute path is really written. removing: compiled modules are not really removed."""
        for folder, inside, really in self._rules:
            if path.startswith(inside) or path == folder:
                return really or (not removing and _is_built(path))
        return not removing and _is_built(path)


def project_folders(cwd: str) -> tuple[str, ...]:
    """The working folder and the script's: as the stage's first process found them, for all that it starts."""
    known = os.environ.get(PROJECT)
    if known:
        return tuple(known.split(os.pathsep))
    script = _script(cwd)
    folders = [cwd] if script is None or os.path.dirname(script) == cwd else [cwd, os.path.dirname(script)]
    os.environ[PROJECT] = os.pathsep.join(folders)
    return tuple(folders)


def keep_temporary_files_apart(project: tuple[str, ...]) -> None:
    """A project that is the temporary folder itself gets another one: sockets of multiprocessing must be real."""
    if any(_real(folder) in map(_real, ("/tmp", os.environ.get("TMPDIR") or "/tmp")) for folder in project):
        os.environ["TMPDIR"] = "/var/tmp" if "/var/tmp" not in project else "/dev/shm"


def _is_built(path: str) -> bool:
    return any(part in path for part in _BUILT) or path.endswith("/__pycache__")


def _open_folders() -> list[str]:
    folders = list(_TEMPORARY)
    for name in (*_TEMPORARY_VARIABLES, *_CACHE_VARIABLES):
        value = os.environ.get(name)
        if value:
            folders.append(os.path.expanduser(value))
    home = os.path.expanduser("~")
    if home.startswith("/"):
        folders += [os.path.join(home, name) for name in _HOME_CACHES]
        if sys.platform == "darwin":
            folders.append(os.path.join(home, "Library", "Caches"))
    return folders


def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder)
    except (OSError, ValueError):
        return folder


def _script(cwd: str) -> Optional[str]:
    """The first word of the command line that is a Python file; None where there is none (python -m, -c)."""
    for word in _command_line()[1:]:
        path = os.path.join(cwd, word)
        if word.endswith(".py") and os.path.isfile(path):
            return os.path.realpath(path)
    return None


def _command_line() -> list[str]:
    words = getattr(sys, "orig_argv", None)  # from Python 3.10 on
    if words is not None:
        return list(words)
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0") if word]
    except OSError:
        return []
