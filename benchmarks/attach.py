"""Attaches dlmon's probes to this process, and takes them off and puts them on again between blocks of steps.

For the benchmark only: a user's process has the probes from start to end. Taken off means gone: every patched name in
torch has its original value, every global hook is out of its table. So blocks without the probes run what a process
runs in which dlmon never was.
"""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from time import perf_counter
from typing import Any

from dlmon_probes import control
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.install import install
from dlmon_probes.training.loop import Loop

_MISSING = object()
Names = dict[tuple[int, str], Any]


class Probes:
    """The probes of this process. They are on after __init__."""

    def __init__(self, folder: str, budget: float) -> None:
        """folder: an empty run folder. budget: share, as in `--overhead`."""
        control.create(folder)
        owners = _owners()
        before = _names(owners)
        tables = {id(table): (table, list(table)) for table in _hook_tables()}
        self.agent: Agent = install(folder, control.ControlPage(folder), budget)
        self._loop = next(thing for thing in gc.get_objects() if type(thing) is Loop)
        after = _names(owners)
        by_id = {id(owner): owner for owner in owners}
        self._patched = [
            (by_id[key[0]], key[1], before.get(key, _MISSING), value)
            for key, value in after.items()
            if before.get(key, _MISSING) is not value
        ]
        self._tables = list(tables.values())
        self._kept: list[list[tuple[Any, Any]]] = []
        self._off_since = 0.0

    def take_off(self) -> None:
        """What was gathered is written out first, so that its cost falls to the steps that caused it."""
        self.flush()
        for owner, name, original, _ in self._patched:
            if original is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._kept = []
        for table, originals in self._tables:
            self._kept.append([(key, table.pop(key)) for key in list(table) if key not in originals])
        self._off_since = perf_counter()

    def put_on(self) -> None:
        for owner, name, _, patched in self._patched:
            setattr(owner, name, patched)
        for (table, _), hooks in zip(self._tables, self._kept, strict=True):
            table.update(hooks)
        if self._loop._last_close is not None:  # the blocks without us are nobody's step time, as a pause is not
            self._loop._last_close += perf_counter() - self._off_since

    def flush(self) -> None:
        self.agent.channel.flush()

    @property
    def own_account(self) -> float:
        """What the probes themselves say they cost: a share of the training's own time."""
        return self.agent.governor.overhead


def _owners() -> list[Any]:
    """Everything in which probes could have replaced a name: torch's modules and the classes in them."""
    modules = [module for name, module in sys.modules.items() if name == "torch" or name.startswith("torch.")]
    classes = {
        id(value): value
        for module in modules
        for value in list(vars(module).values())
        if issubclass(type(value), type) and str(value.__module__).startswith("torch")
    }
    return [*{id(module): module for module in modules}.values(), *classes.values()]


def _names(owners: list[Any]) -> Names:
    return {(id(owner), name): value for owner in owners for name, value in vars(owner).items()}


def _hook_tables() -> list[OrderedDict[Any, Any]]:
    from torch.nn.modules import module
    from torch.optim import optimizer

    named = [
        value for space in (module, optimizer) for name, value in vars(space).items() if name.startswith("_global")
    ]
    return [value for value in named if isinstance(value, OrderedDict)]
