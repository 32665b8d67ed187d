"""When a module is switched between training and evaluation mode, and by which line of the user's."""

from __future__ import annotations

import functools
from typing import Any, Callable

from dlmon_probes.training import callsite
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.fuse import Fuse


def install(agent: Agent, switched: Callable[[Any, bool], None]) -> None:
    """Wrap `nn.Module.train` (which `eval()` calls): `switched(module, mode)` is told of outermost calls.

    Overrides with other signatures are the user's own and left alone. `agent.switched` gets the line of calls that
    changed the module's flag.
    """
    import torch

    fuse = Fuse(agent, "switches")
    original = torch.nn.Module.train
    busy = False

    def note(module: Any, before: Any, mode: bool) -> None:
        if before is not mode:
            agent.switched = callsite.where(callsite.caller(2))
        switched(module, mode)

    @functools.wraps(original)
    def train(self: Any, mode: bool = True) -> Any:
        nonlocal busy
        if busy or torch.compiler.is_compiling():  # the original calls this once for each child
            return original(self, mode)
        before = self.__dict__.get("training")
        busy = True
        try:
            result = original(self, mode)
        finally:
            busy = False
        fuse.run(note, self, before, mode)
        return result

    torch.nn.Module.train = train
