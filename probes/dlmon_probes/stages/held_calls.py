"""The arguments of a module's call, kept so that it can be called with them again, changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from dlmon_probes.training import structures, tensors

DEEPEST = 4
_PLAIN = (bool, int, float, str, bytes, complex)


class NotHeld(Exception):
    """The text says what argument stands in the way."""


@dataclass
class _Slot:
    """Stands for tensor number `number` in the arguments."""

    number: int


@dataclass
class HeldCall:
    """given: the tensors among the arguments, without history; they share the program's memory."""

    args: Any
    kwargs: Any
    given: list[Any]

    def with_tensors(self, made: list[Any]) -> tuple[Any, Any]:
        """(args, kwargs) with other tensors in the places of those given."""
        args = _map(self.args, lambda slot: made[slot.number], 0)
        return args, _map(self.kwargs, lambda slot: made[slot.number], 0)


def hold(args: Any, kwargs: Any) -> HeldCall:
    """Raises NotHeld where an argument is neither a tensor, a plain value nor a container of those."""
    torch = tensors.torch_module()
    given: list[Any] = []

    def keep(thing: Any) -> Any:
        if type(thing) not in (torch.Tensor, torch.nn.Parameter) or tensors.local(thing) is None:
            raise NotHeld(f"an argument is a {type(thing).__name__} that cannot be changed")
        given.append(thing.detach())
        return _Slot(len(given) - 1)

    held = _map(tuple(args), keep, 0), _map(dict(kwargs), keep, 0)
    if not given:
        raise NotHeld("it is called without a tensor")
    return HeldCall(held[0], held[1], given)


def _map(thing: Any, replaced: Callable[[Any], Any], depth: int) -> Any:
    kind = type(thing)
    if kind is _Slot or structures.is_tensor(thing):
        return replaced(thing)
    if thing is None or kind in _PLAIN or issubclass(kind, type) or _constant(kind):
        return thing
    if depth > DEEPEST:
        raise NotHeld("its arguments are nested too deeply")
    if kind is dict:
        return {key: _map(item, replaced, depth + 1) for key, item in thing.items()}
    if kind in (list, tuple):
        return kind(_map(item, replaced, depth + 1) for item in thing)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return tuple.__new__(kind, [_map(item, replaced, depth + 1) for item in tuple.__iter__(thing)])
    raise NotHeld(f"an argument is a {kind.__name__}")


def _constant(kind: type) -> bool:
    torch = tensors.torch_module()
    return kind in (torch.Size, torch.dtype, torch.device)
