"""After a smoke run: load back what the script saved, as someone would who resumes from it or takes it elsewhere.

At the end of the process, from the overlay, on the CPU: at most 5 files, 2 GiB and 10 seconds, the largest first. First
with weights_only=True (the default of torch.load since 2.6), then without it. Nothing that was loaded is kept.
"""

from __future__ import annotations

import functools
import os
import random
import re
import sys
import time
import zipfile
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.stages.files import overlay
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent

MOST_FILES = 5
MOST_BYTES = 2 << 30
MOST_SECONDS = 10.0
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before its zip format: a pickled magic number


def install(agent: Agent) -> None:
    """Load checkpoints back when the process ends. Needs the overlay."""
    agent.guard("checkpoints", agent.ending, lambda: load_back(agent))


class Saved:
    """A checkpoint that lies in the overlay. kind: torch or safetensors."""

    def __init__(self, path: str, place: str, status: os.stat_result, kind: str) -> None:
        self.path = path
        self.place = place
        self.bytes = status.st_size
        self.changed = status.st_mtime_ns
        self.kind = kind


def load_back(agent: Agent) -> None:
    """Emit a Checkpoint for each file that was tried."""
    files = overlay.active()
    if files is None:
        return
    started, left = perf_counter(), MOST_BYTES
    found = sorted(_saved(files), key=lambda saved: (-saved.bytes, -saved.changed))
    for saved in found[:MOST_FILES]:
        if perf_counter() - started > MOST_SECONDS:
            return
        if saved.bytes > left:
            continue
        left -= saved.bytes
        agent.emit(_tried(agent, files, saved))


def _saved(files: overlay.Overlay) -> list[Saved]:
    found = []
    for path in files.journal.paths():
        place = files.tree.root + path
        try:
            status = os.stat(place)
            kind = _kind(place, files.journal.how(path)) if status.st_size else None
        except OSError:  # removed since, or a link
            continue
        if kind is not None:
            found.append(Saved(path, place, status, kind))
    return found


def _kind(place: str, how: Optional[str]) -> Optional[str]:
    """By what wrote it and by what is in it: Lightning and others hand torch.save a buffer and write that."""
    if how == "safetensors" or place.endswith(".safetensors"):
        return "safetensors"
    with open(place, "rb") as file:
        head = file.read(len(_LEGACY))
    if head == _LEGACY:
        return "torch"
    return "torch" if head.startswith(b"PK\x03\x04") and _is_torch_archive(place) else None


def _is_torch_archive(place: str) -> bool:
    """Of torch.save, and with tensors in it: transformers' training_args.bin is no checkpoint. An archive of
    TorchScript has constants beside its data."""
    try:
        with zipfile.ZipFile(place) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return True  # cut short: torch.load will say so
    tensors_within = any(re.fullmatch(r"data/\d+", name) for name in names)
    return tensors_within and "data.pkl" in names and "constants.pkl" not in names


def _tried(agent: Agent, files: overlay.Overlay, saved: Saved) -> events.Checkpoint:
    started = perf_counter()
    if saved.kind == "torch":
        safely = _trouble(lambda: _load_torch(saved.place, weights_only=True))
        trouble = safely and _trouble(lambda: _load_torch(saved.place, weights_only=False))
    else:
        safely = trouble = _trouble(lambda: _load_safetensors(saved.place))
    return events.Checkpoint(
        t=time.time(), step=agent.step, path=saved.path, stored=os.path.relpath(saved.place, files.run),
        bytes=saved.bytes, loads=not trouble, weights_only=not safely, seconds=perf_counter() - started,
        error=(trouble or safely).replace(files.tree.root, ""),
    )  # fmt: skip


def _load_torch(place: str, weights_only: bool) -> Any:
    torch = tensors.torch_module()
    mapped = zipfile.is_zipfile(place)  # reads only what is looked at
    return torch.load(place, map_location="cpu", weights_only=weights_only, mmap=True if mapped else None)


def _load_safetensors(place: str) -> Any:
    safetensors: Any = sys.modules["safetensors"]
    with safetensors.safe_open(place, framework="pt") as file:
        return [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118


def _trouble(load: Callable[[], Any]) -> str:
    """Why it cannot be loaded, in one line; "" when it can. Random states stay as they are: unpickling a whole model
    runs the user's code."""
    import warnings

    restore = _random_states()
    try:
        with warnings.catch_warnings(), tensors.immune():
            warnings.simplefilter("ignore")
            load()
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {_gist(str(error))}"[:300]
    finally:
        for put_back in restore:
            put_back()


def _gist(message: str) -> str:
    """The line of a message that says what is wrong: torch puts advice and colours before it."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", message).splitlines() if line.strip()]
    return next((line for line in lines if "WeightsUnpickler error" in line), lines[0] if lines else "")


def _random_states() -> list[Callable[[], None]]:
    """Calls that put the random states of Python, torch (CPU) and NumPy back to what they are now."""
    torch, numpy = tensors.torch_module(), sys.modules.get("numpy.random")
    restore: list[Callable[[], None]] = [
        functools.partial(torch.set_rng_state, torch.get_rng_state()),
        functools.partial(random.setstate, random.getstate()),
    ]
    if numpy is not None:
        restore.append(functools.partial(numpy.set_state, numpy.get_state()))
    return restore
