"""Where a script without a DataLoader makes its batches: calls in its own code that index, convert or draw tensors.

Each is known by its place and its turn: the k-th call of an instruction since the last backward. What it gave can be
kept, and given again.
"""

from __future__ import annotations

import functools
import sys
import weakref
from dataclasses import dataclass
from types import CodeType
from typing import Any, Callable, Optional

from dlmon_probes.training import callsite, structures, tensors

# Not zeros, ones and the like: they are the same each time, and what is counted in them must begin anew.
MAKERS = (
    "tensor", "as_tensor", "from_numpy", "asarray", "stack", "cat", "concatenate", "index_select", "take", "gather",
    "masked_select", "randint", "randperm", "rand", "randn", "normal", "randint_like", "randn_like", "rand_like",
    "bernoulli", "multinomial",
)  # fmt: skip
METHODS = ("__getitem__", "index_select", "narrow", "select", "take", "gather")
MOST_KEPT = 2048  # results between two backwards

Place = tuple[CodeType, int, int]  # code, instruction, its turn since the last backward


@dataclass
class Made:
    """A result. source: the tensor that was indexed, weakly; None for calls that make tensors of other things."""

    value: Any
    source: Any = None

    def fits(self, source: Any) -> bool:
        """Whether the same data is indexed again: a model's output is another object each time."""
        return self.source is None or self.source() is source


class Making:
    """Watches the calls while `on`. answer(place, source) may give a result in the place of the call's own; noted is
    called with each own result. skipped() is true where calls are not about data (inside a module's forward)."""

    def __init__(
        self,
        answer: Callable[[Place, Any], Optional[Any]],
        noted: Callable[[Place, Made], None],
        skipped: Callable[[], bool],
    ) -> None:
        self._answer = answer
        self._noted = noted
        self._skipped = skipped
        self._turns: dict[tuple[CodeType, int], int] = {}
        self._busy = False
        self.on = False
        self._install()

    def new_cycle(self) -> None:
        """A backward has ended: turns are counted anew."""
        self._turns.clear()

    def stop(self) -> None:
        """No more looking; the wraps that cannot be taken back pass calls on."""
        self.on = False
        torch = tensors.torch_module()
        for name, own in self._replaced:
            if own is None:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, own)
        self._replaced.clear()

    def _install(self) -> None:
        torch = tensors.torch_module()
        self._replaced: list[tuple[str, Any]] = []
        for name in MAKERS:
            original = getattr(torch, name, None)
            if original is not None:
                setattr(torch, name, self._function(original))
        for name in METHODS:
            self._replaced.append((name, torch.Tensor.__dict__.get(name)))
            setattr(torch.Tensor, name, self._method(getattr(torch.Tensor, name)))

    def _function(self, original: Any) -> Any:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.on or self._busy:
                return original(*args, **kwargs)
            return self._call(sys._getframe(1), None, original, args, kwargs)

        return call

    def _method(self, original: Any) -> Any:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.on or self._busy:
                return original(*args, **kwargs)
            return self._call(sys._getframe(1), args[0], original, args, kwargs)

        return call

    def _call(self, frame: Any, source: Any, original: Any, args: Any, kwargs: Any) -> Any:
        if (
            not callsite.is_user_code(frame.f_code)
            or not tensors.torch_module().is_grad_enabled()
            or (source is not None and source.requires_grad)
            or self._skipped()
            or tensors.out_of_reach()
        ):
            return original(*args, **kwargs)
        instruction = (frame.f_code, frame.f_lasti)
        turn = self._turns.get(instruction, 0)
        self._turns[instruction] = turn + 1
        place = (*instruction, turn)
        self._busy = True  # what we do with tensors is no data of theirs
        try:
            answer = self._answer(place, source)
            if answer is not None:
                return answer
            value = original(*args, **kwargs)
            if structures.is_tensor(value) and not value.requires_grad and len(self._turns) <= MOST_KEPT:
                self._noted(place, Made(value, weakref.ref(source) if source is not None else None))
            return value
        finally:
            self._busy = False


def in_words(place: Place) -> str:
    """`train.py:30`, and the turn where there are several."""
    code, instruction, turn = place
    line = next((row for start, end, row in _lines(code) if row and start <= instruction < end), code.co_firstlineno)
    name = code.co_filename.rsplit("/", 1)[-1]
    return f"{name}:{line}" + (f"#{turn}" if turn else "") + f"@{instruction}"


def _lines(code: CodeType) -> list[tuple[int, int, Optional[int]]]:
    if hasattr(code, "co_lines"):
        return list(code.co_lines())
    import dis

    starts = list(dis.findlinestarts(code))
    ends = [begin for begin, _ in starts[1:]] + [len(code.co_code)]
    return [(begin, end, line) for (begin, line), end in zip(starts, ends)]
