"""What modules are called with between two backwards, read by global forward hooks."""

from __future__ import annotations

from typing import Any

from dlmon_probes.stages.data.digests import digest_of
from dlmon_probes.training import structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import watch_of

NAME = "stage inputs"
MOST_CALLS = 16  # between two backwards


class ModelInputs:
    """Tensors that outermost modules with parameters were given, with gradients on, and that need none themselves.

    They are held until `forget`; nothing is read from them before `last` or `digest`.
    """

    def __init__(self, agent: Agent, name: str = NAME) -> None:
        self._name = name
        self._watch = watch_of(agent)
        self._calls: list[list[structures.Leaf]] = []
        self._outer = 0
        self._watch.follow(name, every=(self._begins, self._ends))

    @property
    def inside(self) -> bool:
        """A module's forward is under way."""
        return self._outer != 0

    def last(self) -> list[structures.Leaf]:
        """The tensors of the calls since `forget` (at most the last 16 calls)."""
        return [leaf for call in self._calls for leaf in call]

    def digest(self) -> int:
        """A hash of them all; 0 when there was no call. Waits for the device."""
        found = self.last()
        if not found:
            return 0
        with tensors.immune():
            return digest_of((leaf.path, leaf.tensor) for leaf in found)

    def forget(self) -> None:
        """A backward has ended: what comes now belongs to the next one."""
        self._calls.clear()
        self._outer = 0

    def close(self) -> None:
        self.forget()
        self._watch.leave(self._name)

    def _begins(self, module: Any) -> None:
        if not self._outer:
            self._outer = id(module)

    def _ends(self, module: Any, args: Any, kwargs: Any, _output: Any) -> None:
        if self._outer != id(module):
            return
        self._outer = 0
        if not tensors.torch_module().is_grad_enabled() or not _has_parameters(module):
            return
        given = [leaf for leaf in structures.leaves((args, kwargs)) if not leaf.tensor.requires_grad]
        if given:
            self._calls.append(given)
            del self._calls[:-MOST_CALLS]


def _has_parameters(module: Any, depth: int = 0) -> bool:
    """Loss modules have none. Read off the dictionaries: `parameters()` may be the user's own."""
    own = module.__dict__
    if any(parameter is not None for parameter in own.get("_parameters", {}).values()):
        return True
    if depth > 12:
        return True
    return any(_has_parameters(child, depth + 1) for child in own.get("_modules", {}).values() if child is not None)
