"""The states of all random number generators that a training loop may draw from, kept and put back."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any, Callable

from dlmon_probes.training import tensors

MOST_OWN = 64  # generator objects of the script's


class RandomStates:
    """As they stood when it was made: Python's, NumPy's and torch's global ones, and the generator objects alive."""

    def __init__(self) -> None:
        torch = tensors.torch_module()
        self._python = random.getstate()
        numpy_random = getattr(sys.modules.get("numpy"), "random", None)
        self._numpy = None if numpy_random is None else (numpy_random.set_state, numpy_random.get_state())
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        self._own = _own_generators()

    def restore(self) -> None:
        torch = tensors.torch_module()
        random.setstate(self._python)
        if self._numpy is not None:
            self._numpy[0](self._numpy[1])
        torch.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        for put_back in self._own:
            put_back()


def _own_generators() -> list[Callable[[], None]]:
    """`np.random.default_rng(0)`, `random.Random(0)`: functions that put each one's present state back."""
    numpy_random = getattr(sys.modules.get("numpy"), "random", None)
    modern, legacy = getattr(numpy_random, "Generator", None), getattr(numpy_random, "RandomState", None)
    found: list[Callable[[], None]] = []
    for thing in gc.get_objects():
        kind = type(thing)
        if kind is modern:
            found.append(_state_setter(thing.bit_generator))
        elif kind is legacy:
            found.append(_legacy_setter(thing))
        if len(found) == MOST_OWN:
            break
    return found


def _state_setter(bits: Any) -> Callable[[], None]:
    state = bits.state

    def put_back() -> None:
        bits.state = state

    return put_back


def _legacy_setter(generator: Any) -> Callable[[], None]:
    state = generator.get_state()
    return lambda: generator.set_state(state)
