"""Losses that a script computes by functions (`F.cross_entropy`), not modules: noted while model calls are watched.

What is replaced is the compiled function that torch.nn.functional calls, and only for the time of the watch: names
that the script has imported (`from torch.nn.functional import cross_entropy`) are seen, too, and stay as they are.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, NamedTuple

from dlmon_probes.training import process_group, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import ForwardWatch, _capturing

NAME = "functional losses"
REDUCTIONS = ("none", "mean", "sum")
IGNORED = -100
# Compiled function → (kind of loss_formula, name in torch.nn.functional, place of `reduction`, of `ignore_index`).
_FUNCTIONS = {
    "cross_entropy_loss": ("ce", "cross_entropy", 3, 4),
    "nll_loss_nd": ("ce", "nll_loss", 3, 4),
    "mse_loss": ("mse", "mse_loss", 2, None),
    "l1_loss": ("l1", "l1_loss", 2, None),
    "smooth_l1_loss": ("smooth_l1", "smooth_l1_loss", 2, None),
    "binary_cross_entropy": ("bce", "binary_cross_entropy", 3, None),
    "binary_cross_entropy_with_logits": ("bce_logits", "binary_cross_entropy_with_logits", 4, None),
}


class Call(NamedTuple):
    """kind: of loss_formula. reduction: "none", "mean" or "sum". ignored: the label that does not count."""

    kind: str
    name: str
    outputs: Any
    targets: Any
    reduction: str
    ignored: int
    loss: Any

    def compared(self) -> tuple[Any, ...]:
        """What it compares, without keeping it alive: a script may compute a loss twice, to print it."""
        return self.kind, *((tensor.data_ptr(), tensor.numel()) for tensor in (self.outputs, self.targets))


class FunctionalLosses:
    """Tells `listener` of calls outside of modules. Belongs to the watch's hooks: when those go, it goes too."""

    id = -1  # the watch looks its handles up by id; no hook of torch has this one

    def __init__(self, agent: Agent, watch: ForwardWatch, listener: Callable[[Call], None]) -> None:
        torch = tensors.torch_module()
        self._agent = agent
        self._watch = watch
        self._listener = listener
        self._on = False
        self._broken = False
        self._places: list[tuple[Any, str, Any, Any]] = []  # owner, name, torch's own function, ours
        for name in _FUNCTIONS:
            owner = torch._C._nn if hasattr(torch._C._nn, name) else torch
            original = getattr(owner, name, None)
            if original is not None:
                self._places.append((owner, name, original, self._wrapped(name, original)))
        self._known_to_script = False

    def follow(self) -> None:
        """From now on, until the watch's hooks are taken away or `remove` is called."""
        if self._broken or self._on or not self._watch._handles:
            return
        if process_group.rank_and_world() is not None:  # nothing is replaced beneath collectives
            return
        self._tell_script()
        for owner, name, original, ours in self._places:
            if getattr(owner, name, None) is original:
                setattr(owner, name, ours)
        self._on = True
        self._watch._handles.append(self)

    def remove(self) -> None:
        """Put torch's own functions back."""
        self._on = False
        if self in self._watch._handles:
            self._watch._handles.remove(self)
        for owner, name, original, ours in self._places:
            if getattr(owner, name, None) is ours:
                setattr(owner, name, original)

    def _tell_script(self) -> None:
        """torch.jit.script knows compiled functions by their id: a model scripted meanwhile gets torch's own."""
        if not self._known_to_script:
            from torch.jit import _builtins

            table = _builtins._get_builtin_table()
            table.update({id(ours): table[id(own)] for _, _, own, ours in self._places if id(own) in table})
            self._known_to_script = True

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            loss = original(*args, **kwargs)
            if self._on and not kwargs:
                self._called(name, args, loss)
            return loss

        return call

    def _called(self, name: str, args: tuple[Any, ...], loss: Any) -> None:
        torch = tensors.torch_module()
        try:
            if self._watch._outer or tensors.out_of_reach() or torch._C._get_tracing_state() is not None:
                return  # a module's own business, or no values
            if _capturing(torch):
                return
            kind, public, reduction, ignored = _FUNCTIONS[name]
            if len(args) <= reduction:
                return
            number = args[ignored] if ignored is not None and len(args) > ignored else IGNORED
            self._listener(Call(kind, public, args[0], args[1], REDUCTIONS[args[reduction]], number, loss))
        except Exception as error:
            self._broken = True
            self.remove()
            self._agent.report(NAME, error)
