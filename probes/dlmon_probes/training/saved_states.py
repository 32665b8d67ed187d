"""What becomes of saved weights: which names a load_state_dict took, whether it was given the module's own memory, and
whether weights that the script read from a file arrived in the model.

State dictionaries are told apart by weak references; of what was read from a file a few numbers are kept, no tensor.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from dataclasses import dataclass
from typing import Any, Optional

from dlmon_probes.events import Where
from dlmon_probes.events_model import StateFile, StateLoad
from dlmon_probes.training import callsite, state_files, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.names import clean, own_parameters, walk

NAME = "saved states"
MOST_OF_A_LINE = 16  # loads by one line that are looked into: target networks are copied every few steps
MOST_LINES = 64
MOST_MADE = 64  # state dictionaries that are remembered
MOST_TOLD = 3  # names in an event


@dataclass(frozen=True)
class _Before:
    """What is known before a load: names, and how many of the given tensors are the module's own memory."""

    own: tuple[str, ...]
    given: tuple[str, ...]
    common: int
    aliased: int
    made: Optional[int]
    loads_since: int
    where: Optional[Where]


class SavedStates:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        # By id of a state dict: weak reference, step, loads into its module so far, the module's id.
        self._made: dict[int, tuple[Any, ...]] = {}
        self._latest: dict[int, tuple[Any, ...]] = {}  # by id of a module the same, of its latest state dict
        self._loads: dict[int, tuple[Any, ...]] = {}  # by id of a module: weak reference, loads into it
        self._lines: dict[tuple[int, int], int] = {}
        self._files: list[state_files.Read] = []
        self._all_loads = 0

    # ------------------------------------------------------------ state_dict()

    def taken(self, module: Any, state: Any) -> None:
        """A state dictionary was made of a module."""
        entry = (self._agent.step, self._loads_into(module), id(module))
        _remember(self._latest, module, entry)
        _remember(self._made, state, entry)

    def _loads_into(self, module: Any) -> int:
        known = self._loads.get(id(module))
        return int(known[1]) if known is not None and known[0]() is module else 0

    # ------------------------------------------------------------ load_state_dict()

    def before_load(self, module: Any, state: Any, code: Any, line: int) -> Optional[_Before]:
        self._all_loads += 1
        loads = self._loads_into(module)
        if not issubclass(type(state), dict) or self._seen_enough((id(code), line)):
            return None
        own = _tensors_of(module)
        given = {key: value for key, value in dict.items(state) if type(key) is str}
        with tensors.immune():
            common = [name for name in own if name in given]
            aliased = sum(_same_memory(own[name], given[name]) for name in common)
        made = _recall(self._made, state) or _recall(self._latest, module)
        place = callsite.where(callsite.caller(2))
        return _Before(
            tuple(own), tuple(given), len(common), aliased,
            made[0] if made is not None else None,
            loads - made[1] if made is not None and made[2] == id(module) else 0, place,
        )  # fmt: skip

    def _seen_enough(self, line: tuple[int, int]) -> bool:
        count = self._lines.get(line, 0)
        if count >= MOST_OF_A_LINE or (not count and len(self._lines) >= MOST_LINES):
            return True
        self._lines[line] = count + 1
        return False

    def loaded(self, module: Any, before: Optional[_Before], result: Any) -> None:
        """A load returned. result: torch's record of missing and unexpected names, or what an override made of it."""
        _remember(self._loads, module, (self._loads_into(module) + 1,))
        if before is None:
            return
        missing = [str(key) for key in _listed(result, "missing_keys")]
        unexpected = [str(key) for key in _listed(result, "unexpected_keys")]
        renamed, prefix = _renamed(set(missing), unexpected)
        self._agent.emit(
            StateLoad(
                t=time.time(), step=self._agent.step, cls=type(module).__name__, own=len(before.own),
                given=len(before.given), missing=missing[:MOST_TOLD], unexpected=unexpected[:MOST_TOLD],
                n_missing=len(missing), n_unexpected=len(unexpected), renamed=renamed, prefix=prefix,
                common=before.common, aliased=before.aliased, made=before.made, loads_since=before.loads_since,
                where=before.where,
            )
        )  # fmt: skip

    # ------------------------------------------------------------ torch.load()

    def read(self, result: Any, frame: Any) -> None:
        """The script itself (no library for it) read something from a file."""
        if self._agent.training or not callsite.is_user_code(frame.f_code):
            return
        with tensors.immune():
            self._files += state_files.read(result, callsite.where(frame), self._all_loads)
        del self._files[state_files.MOST_FILES :]

    def at_backward(self, _loss: Any, _series: int) -> None:
        files, self._files = self._files, []
        if not files or self._agent.names is None or self._agent.step:
            return
        live = {
            clean(name): parameter
            for root in self._agent.names.roots()
            for prefix, module in walk(root)
            for name, parameter in ((f"{prefix}.{part}" if prefix else part, p) for part, p in own_parameters(module))
        }
        if not live:
            return
        with tensors.immune():
            for file in files:
                looked, equal = file.compare(live)
                self._agent.emit(
                    StateFile(
                        t=time.time(), step=self._agent.step, path=file.path, entries=file.entries, own=len(live),
                        matched=file.matched(live), looked=looked, equal=equal, used=self._all_loads > file.loads,
                        where=file.where,
                    )
                )  # fmt: skip


def _remember(table: dict[int, tuple[Any, ...]], thing: Any, entry: tuple[int, ...]) -> None:
    if len(table) >= MOST_MADE:
        for key in [key for key, (reference, *_) in table.items() if reference() is None]:
            del table[key]
        while len(table) >= MOST_MADE:
            del table[next(iter(table))]
    try:
        table[id(thing)] = (weakref.ref(thing), *entry)
    except TypeError:  # a plain dict of an override: cannot be referred to weakly
        table.pop(id(thing), None)


def _recall(table: dict[int, tuple[Any, ...]], thing: Any) -> Optional[tuple[Any, ...]]:
    known = table.get(id(thing))
    return known[1:] if known is not None and known[0]() is thing else None


def _tensors_of(module: Any) -> dict[str, Any]:
    """Parameters by the names that state_dict gives them."""
    return {
        f"{prefix}.{part}" if prefix else part: parameter
        for prefix, inner in walk(module)
        for part, parameter in own_parameters(inner)
    }


def _same_memory(one: Any, other: Any) -> bool:
    torch = tensors.torch_module()
    if not issubclass(type(other), torch.Tensor) or one.numel() == 0 or one.shape != other.shape:
        return False
    own, given = tensors.local(one), tensors.local(other)
    return own is not None and given is not None and bool(own.data_ptr() == given.data_ptr() != 0)


def _listed(result: Any, name: str) -> list[Any]:
    value = getattr(result, name, None) if issubclass(type(result), tuple) else None
    return value if type(value) is list else []


def _renamed(missing: set[str], unexpected: list[str]) -> tuple[int, str]:
    """How many unexpected names fit a missing one under one change of prefix, and that prefix."""
    best, found = 0, ""
    prefixes = {key.partition(".")[0] + "." for key in (*unexpected, *missing) if "." in key}
    for prefix in sorted(prefixes)[:32]:
        taken = sum(key.startswith(prefix) and key[len(prefix) :] in missing for key in unexpected)
        put = sum(prefix + key in missing for key in unexpected)
        if max(taken, put) > best:
            best, found = max(taken, put), prefix
    return best, found


def install(agent: Agent, _loop: Loop) -> None:
    import torch

    probe, fuse = SavedStates(agent), Fuse(agent, NAME)
    agent.guard(NAME, agent.sampled_before_backward, probe.at_backward)
    _wrap_module(torch.nn.Module, probe, fuse)
    _wrap_load(torch, probe, fuse)


def _wrap_module(module_class: Any, probe: SavedStates, fuse: Fuse) -> None:
    original, original_load = module_class.state_dict, module_class.load_state_dict
    inside = [0, 0]  # in a state_dict, in a load_state_dict: only the outermost calls count

    @functools.wraps(original)
    def state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
        if inside[0] or fuse.blown:
            return original(self, *args, **kwargs)
        inside[0] = 1
        try:
            result = original(self, *args, **kwargs)
        finally:
            inside[0] = 0
        fuse.run(probe.taken, self, result)
        return result

    @functools.wraps(original_load)
    def load_state_dict(self: Any, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if inside[1] or fuse.blown:
            return original_load(self, state_dict, *args, **kwargs)
        frame = sys._getframe(1)
        before = fuse.run(probe.before_load, self, state_dict, frame.f_code, frame.f_lasti)
        del frame
        inside[1] = 1
        try:
            result = original_load(self, state_dict, *args, **kwargs)
        finally:
            inside[1] = 0
        fuse.run(probe.loaded, self, before, result)
        return result

    module_class.state_dict, module_class.load_state_dict = state_dict, load_state_dict


def _wrap_load(torch: Any, probe: SavedStates, fuse: Fuse) -> None:
    original = torch.load

    @functools.wraps(original)
    def load(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if not fuse.blown:
            fuse.run(probe.read, result, sys._getframe(1))
        return result

    torch.load = load
