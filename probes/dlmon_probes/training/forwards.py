"""Watching module calls for a while: global forward hooks that are there only as long as somebody follows.

Hooks on instances break pickling, and a global hook that stays makes the compiler guard on it: so they are taken away
after each look, and for good before the program compiles anything.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes.inject import finder
from dlmon_probes.training import tensors
from dlmon_probes.training.agent import Agent

Enter = Callable[[Any], None]
Leave = Callable[[Any, Any, Any, Any], None]  # module, args, kwargs, output

CALL_COST = 3e-6  # seconds that the hooks' slow path in torch adds to a module call; our own part is measured


class ForwardWatch:
    """Sends module calls to followers while there are any. Followers are called on the thread that runs the forward.

    An outermost call is one that no other module's call is around.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._handles: list[Any] = []
        self._outermost: dict[str, Leave] = {}
        self._every: dict[str, tuple[Enter, Leave]] = {}
        self._outer = 0  # id of the module whose outermost call is under way
        self.available = True
        self.spent = 0.0  # seconds in hooks, since the process started

    def follow(
        self, name: str, *, outermost: Optional[Leave] = None, every: Optional[tuple[Enter, Leave]] = None
    ) -> None:
        """Send `name` the ends of outermost calls, or beginnings and ends of all calls. Calls while the compiler or a
        functorch transform is at work are left out."""
        if not self.available:
            return
        self._agent.attention = True
        if outermost is not None:
            self._outermost[name] = outermost
        if every is not None:
            self._every[name] = every
        if not self._handles:
            self._outer = 0
            self._register()

    def leave(self, name: str) -> None:
        """Stop sending `name`; without followers the hooks go."""
        self._outermost.pop(name, None)
        self._every.pop(name, None)
        if not self._outermost and not self._every:
            self._unregister()

    def follows(self, name: str) -> bool:
        return name in self._outermost or name in self._every

    def forget_call(self) -> None:
        """The call under way will not end: its forward raised."""
        self._outer = 0

    def stop_for_good(self) -> None:
        """The program compiles: no hooks from here on."""
        self.available = False
        self._outermost.clear()
        self._every.clear()
        self._unregister()

    def interrupt(self) -> None:
        """No hooks until `resume`."""
        self._unregister()

    def resume(self) -> None:
        if self._outermost or self._every:
            self._register()

    # ------------------------------------------------------------ hooks

    def _register(self) -> None:
        from torch.nn.modules import module

        with_kwargs = "with_kwargs" in inspect.signature(module.register_module_forward_hook).parameters
        if with_kwargs:
            after = module.register_module_forward_hook(self._after, with_kwargs=True)
        else:  # torch < 2.4: keyword arguments stay unseen

            def after_args(called: Any, args: Any, output: Any) -> None:
                self._after(called, args, {}, output)

            after = module.register_module_forward_hook(after_args)
        self._handles = [module.register_module_forward_pre_hook(self._before), after]

    def _unregister(self) -> None:
        handles, self._handles = self._handles, []
        if handles:
            from torch.nn.modules import module

            with_kwargs = getattr(module, "_global_forward_hooks_with_kwargs", {})
            for handle in handles:
                handle.remove()
                with_kwargs.pop(handle.id, None)  # torch 2.13 leaves it there, and compiled modules look at it
        self._outer = 0

    def _before(self, module: Any, _args: Any) -> None:
        if tensors.torch_module().compiler.is_compiling():
            return
        if not self._outer:
            self._outer = id(module)
        for name, (enter, _) in list(self._every.items()):
            self._call(name, enter, module)
        self.spent += CALL_COST

    def _after(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        torch = tensors.torch_module()
        if torch.compiler.is_compiling():
            return
        outermost = self._outer == id(module)
        if outermost:
            self._outer = 0
        elif not self._every:
            return
        if torch._C._get_tracing_state() is not None or tensors.out_of_reach() or _capturing(torch):
            return
        began = perf_counter()
        for name, (_, leave) in list(self._every.items()):
            self._call(name, leave, module, args, kwargs, output)
        if outermost:
            for name, listener in list(self._outermost.items()):
                self._call(name, listener, module, args, kwargs, output)
        self.spent += perf_counter() - began

    def _call(self, name: str, listener: Callable[..., None], *args: Any) -> None:
        try:
            listener(*args)
        except Exception as error:
            self.leave(name)
            self._agent.report(name, error)


def _capturing(torch: Any) -> bool:
    """While a CUDA graph is recorded, our operations would become a part of it."""
    return bool(torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())


_watches: weakref.WeakKeyDictionary[Agent, ForwardWatch] = weakref.WeakKeyDictionary()


def watch_of(agent: Agent) -> ForwardWatch:
    """The agent's watch; made, and told of `torch.compile`, at the first call."""
    watch = _watches.get(agent)
    if watch is None:
        watch = _watches[agent] = ForwardWatch(agent)
        _notice_compile(watch)
    return watch


def _notice_compile(watch: ForwardWatch) -> None:
    """Compiled modules guard on hooks and export refuses them: compiling ends the watch, an export interrupts it."""
    import torch

    if not hasattr(torch.compile, "leaves_modules"):  # a rehearsal's: what it does compile goes through dynamo
        torch.compile = _wrapped(torch.compile, watch.stop_for_good, None)

    def exports() -> None:
        torch.export.export = _wrapped(torch.export.export, watch.interrupt, watch.resume)

    def dynamo() -> None:
        entries = torch._dynamo
        entries.export = _wrapped(entries.export, watch.interrupt, watch.resume)
        entries.optimize = _wrapped(entries.optimize, watch.stop_for_good, None)

    finder.watch("torch.export", after=exports)
    finder.watch("torch._dynamo", after=dynamo)


def _wrapped(
    original: Callable[..., Any], before: Callable[[], None], after: Optional[Callable[[], None]]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        before()
        try:
            return original(*args, **kwargs)
        finally:
            if after is not None:
                after()

    return call


def pack(vectors: list[Any]) -> tuple[list[Any], list[int]]:
    """Measured vectors made ready for one read-back: those on a device joined into one per device.

    Returns the tensors to give to `Agent.later`, and the lengths by which `unpack` takes the values apart.
    """
    torch = tensors.torch_module()
    lengths = [0 if vector is None else int(vector.numel()) for vector in vectors]
    if all(vector is None or vector.device.type == "cpu" for vector in vectors):
        return vectors, lengths
    home = next(vector.device for vector in vectors if vector is not None and vector.device.type != "cpu")
    wide = torch.float32 if home.type == "mps" else torch.float64
    joined = [vector.to(device=home, dtype=wide, non_blocking=True) for vector in vectors if vector is not None]
    return [torch.cat(joined)], lengths


def unpack(values: list[list[float]], lengths: list[int]) -> list[Optional[list[float]]]:
    """The values of each vector given to `pack`; None for those that were None or could not be read."""
    if len(values) == len(lengths):
        return [value or None for value in values]
    flat = values[0] if values else []
    taken: list[Optional[list[float]]] = []
    at = 0
    for length in lengths:
        taken.append(flat[at : at + length] if length and flat else None)
        at += length
    return taken
