"""Weights in what a script read from a file: their names and a few of their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from dlmon_probes.events import Where
from dlmon_probes.training import tensors
from dlmon_probes.training.names import clean

MOST_FILES = 8
MOST_NAMES = 5_000
COMPARED = 8  # tensors of a file
NUMBERS = 16  # of each of them
CLOSE = 2e-3  # relative: what a cast to half precision and back leaves


@dataclass
class Read:
    """A state dictionary found in a file. numbers: of a few floating tensors, their shapes and some of their values."""

    path: str
    shapes: dict[str, tuple[int, ...]]
    where: Optional[Where]
    loads: int  # load_state_dict calls before it was read
    numbers: dict[str, list[float]] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        return len(self.shapes)

    def matched(self, live: dict[str, Any]) -> int:
        return sum(name in live and tuple(live[name].shape) == shape for name, shape in self.shapes.items())

    def compare(self, live: dict[str, Any]) -> tuple[int, int]:
        """(tensors whose values could be compared with the model's, those that agree)."""
        looked = equal = 0
        for name, numbers in self.numbers.items():
            parameter = live.get(name)
            if parameter is None or tuple(parameter.shape) != self.shapes[name]:
                continue
            now = _numbers(parameter)
            if now is not None:
                looked += 1
                scale = max(map(abs, numbers))
                equal += all(abs(a - b) <= CLOSE * scale for a, b in zip(now, numbers))
        return looked, equal


def read(thing: Any, where: Optional[Where], loads: int) -> list[Read]:
    """The state dictionaries in a loaded object: itself, or the entries of a dict."""
    if not issubclass(type(thing), dict):
        return []
    inner = [(f"[{key!r}]", value) for key, value in list(dict.items(thing))[:64] if issubclass(type(value), dict)]
    found = [_state(path, value, where, loads) for path, value in [("", thing), *inner]]
    return [state for state in found if state is not None][:MOST_FILES]


def _state(path: str, thing: Any, where: Optional[Where], loads: int) -> Optional[Read]:
    torch = tensors.torch_module()
    held = {clean(key): value for key, value in list(dict.items(thing))[:MOST_NAMES] if type(key) is str}
    held = {key: value for key, value in held.items() if issubclass(type(value), torch.Tensor)}
    if len(held) < 2:
        return None
    state = Read(path, {key: tuple(value.shape) for key, value in held.items()}, where, loads)
    for key, value in held.items():
        numbers = _numbers(value)
        # What every fresh model has too (zeros of biases, ones of norms) says nothing.
        if numbers is not None and len(set(numbers)) > 2 and len(state.numbers) < COMPARED:
            state.numbers[key] = numbers
    return state


def _numbers(tensor: Any) -> Optional[list[float]]:
    """A few of a tensor's values; None for tensors on devices (reading would wait for them), of whole numbers, and
    laid out in another order (other elements would be picked)."""
    readable = tensors.local(tensor)
    if readable is None or readable.device.type != "cpu" or not readable.dtype.is_floating_point:
        return None
    if not readable.numel() or not readable.is_contiguous():
        return None
    flat = readable.reshape(-1) if readable.numel() <= NUMBERS else tensors.subsample(readable, NUMBERS)
    values: list[float] = flat.float().tolist()
    return values
