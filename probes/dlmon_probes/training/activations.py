"""What each module made of its input, in a forward now and then; the first one is the shape trace.

Outputs are measured while the module call ends and not kept. Always looked at: the forwards until the first backward
(bounded), then one forward at a time, as far apart as the budget wants it.
"""

from __future__ import annotations

import time
import weakref
from time import perf_counter
from typing import Any, Optional

from dlmon_probes import control, events
from dlmon_probes.training import data, structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.forwards import ForwardWatch, pack, unpack, watch_of
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.rows import number_of

NAME = "activations"
MOST_ROWS = 512  # module calls kept of one forward; a recurrent net calls the same cell many times
MOST_ROOTS = 8
MOST_CALLS = 4_000  # module calls after which a look is given up: rollouts, or training is over
FIRST_SECONDS = 0.2  # that the looks before the first backward may cost
EVERY = 8  # sampled steps between two looks
ANOMALIES = 4  # looks on account of a loss that was not finite


class _Call:
    """One module call. The module is held weakly: its name is asked for when names are known."""

    __slots__ = ("cls", "inputs", "leaf", "measured", "module", "outputs")

    def __init__(self, module: Any) -> None:
        self.module = weakref.ref(module)
        self.cls = type(module).__name__
        self.leaf = not module.__dict__.get("_modules")
        self.inputs: list[list[int]] = []
        self.outputs: list[list[int]] = []
        self.measured: Optional[tensors.Measured] = None


class _Forward:
    """The calls below one outermost call, in the order in which they began."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.calls: list[_Call] = []
        self.stack: list[tuple[int, Optional[_Call]]] = []
        self.truncated = False
        self.arguments: list[tuple[str, str, tensors.Measured]] = []
        self.structure = ""

    def enter(self, module: Any) -> None:
        call = None
        if len(self.calls) < MOST_ROWS:
            call = _Call(module)
            self.calls.append(call)
        else:
            self.truncated = True
        self.stack.append((id(module), call))

    def leave(self, module: Any) -> Optional[_Call]:
        while self.stack:
            key, call = self.stack.pop()
            if key == id(module):
                return call
        return None


class ActivationsProbe:
    def __init__(self, agent: Agent, loop: Loop, watch: ForwardWatch) -> None:
        self._agent = agent
        self._loop = loop
        self._watch = watch
        self._forwards: dict[int, _Forward] = {}  # by the root's id: the last outermost call of each
        self._running: Optional[_Forward] = None
        self._calls = 0
        self._spent = 0.0
        self._first = True
        self._since = 0
        self._anomalies = 0
        self._waiting: list[_Forward] = []
        self.follow()

    def follow(self) -> None:
        self._forwards.clear()
        self._running = None
        self._calls = 0
        self._watch.follow(NAME, every=(self.enter, self.leave))

    # ------------------------------------------------------------ module calls

    def enter(self, module: Any) -> None:
        self._calls += 1
        if self._calls > MOST_CALLS or (self._first and self._spent > FIRST_SECONDS):
            self._give_up()
            return
        running = self._running
        if running is None or running.root == id(module):
            if not tensors.torch_module().is_grad_enabled():
                return
            running = self._running = _Forward(id(module))
        running.enter(module)

    def _give_up(self) -> None:
        self._first = False
        self._forwards.clear()
        self._running = None
        self._watch.leave(NAME)

    def leave(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        running = self._running
        if running is None:
            return
        began = perf_counter()
        call = running.leave(module)
        if call is not None:
            with tensors.immune():  # a tensor subclass would see us ask for its shape
                call.inputs = [list(leaf.tensor.shape) for leaf in structures.leaves((args, kwargs), 8)]
                outputs = structures.leaves(output, 8)
                call.outputs = [list(leaf.tensor.shape) for leaf in outputs]
                if call.leaf and outputs:
                    call.measured = tensors.Measured(outputs[0].tensor)
        if module_is_root := running.root == id(module):
            self._complete(running, args, kwargs)
        if module_is_root or not running.stack:
            self._running = None
        self._spent += perf_counter() - began

    def _complete(self, forward: _Forward, args: Any, kwargs: Any) -> None:
        """The outermost call ended: it replaces the last one of the same module."""
        self._forwards.pop(forward.root, None)
        if len(self._forwards) >= MOST_ROOTS:
            self._forwards.pop(next(iter(self._forwards)))
        self._forwards[forward.root] = forward
        loaders = data.probe_of(self._agent)
        if loaders is None or loaders.pulls:
            return
        arguments = args if not kwargs else (*args, kwargs)
        with tensors.immune():
            forward.arguments = [
                (leaf.path, type(leaf.tensor).__name__, tensors.Measured(leaf.tensor))
                for leaf in structures.leaves(arguments)
            ]
            forward.structure = structures.describe(arguments)

    # ------------------------------------------------------------ steps

    def before_backward(self, _loss: Any, _series: int) -> None:
        if not self._watch.follows(NAME):
            return
        self._watch.leave(NAME)
        self._waiting, self._forwards, self._running = list(self._forwards.values()), {}, None
        if not self._first:
            self._tell()  # at the very first backward the modules' names come a moment later

    def after_sampled_backward(self, series: int) -> None:
        self._first = False
        self._tell()
        losses = self._loop.row.losses.get(series)
        value = number_of(losses[-1]) if losses else None
        broken = value is not None and value - value != 0.0 and self._anomalies < ANOMALIES
        self._anomalies += broken
        self._since += 1
        stepping = bool(self._agent.page.read(control.PAUSE))  # somebody goes step by step, and looks at each
        if broken or stepping or (self._since >= EVERY and self._agent.governor.affords(NAME)):
            self._since = 0
            self.follow()

    def after_step(self, _optimizer: Any, _index: int) -> None:
        """A step whose gradients came from autograd.grad ends the first look, too. (Not when a step begins: a closure
        runs its forward within the step.)"""
        if self._first:
            self._give_up()

    # ------------------------------------------------------------ telling

    def _tell(self) -> None:
        forwards, self._waiting = self._waiting, []
        if not forwards:
            return
        began = perf_counter()
        agent, step = self._agent, self._agent.step
        calls = [call for forward in forwards for call in forward.calls][:MOST_ROWS]
        truncated = any(forward.truncated for forward in forwards) or sum(len(f.calls) for f in forwards) > MOST_ROWS
        names = [self._name_of(call) for call in calls]
        arguments = next((forward for forward in forwards if forward.arguments), None)
        given = arguments.arguments if arguments is not None else []
        with tensors.immune():
            vectors, lengths = pack(
                [call.measured.vector if call.measured else None for call in calls] + [m.vector for _, _, m in given]
            )

            def done(values: list[list[float]]) -> None:
                numbers = unpack(values, lengths)
                rows = [_row(name, call, n) for name, call, n in zip(names, calls, numbers)]
                if arguments is not None:
                    named = [
                        events.NamedTensor(path, m.facts(n), kind)
                        for (path, kind, m), n in zip(given, numbers[len(calls) :])
                    ]
                    agent.emit(events.Batch(time.time(), step, -1, named, arguments.structure))
                agent.emit(events.Activations(time.time(), step, rows, truncated))

            agent.later(vectors, done)
        spent, self._spent = self._spent, 0.0
        agent.governor.pay_for(NAME, spent + perf_counter() - began)

    def _name_of(self, call: _Call) -> str:
        """The qualified name; `<CrossEntropyLoss>` for a module that belongs to no root."""
        module = call.module()
        name: Optional[str] = None
        if module is not None and self._agent.names is not None:
            name = self._agent.names.module_name(module)
        return f"<{call.cls}>" if name is None else name


def _row(name: str, call: _Call, numbers: Optional[list[float]]) -> events.Activation:
    facts = call.measured.facts(numbers) if call.measured is not None else None
    return events.Activation(name, call.cls, call.inputs, call.outputs, facts, call.leaf)


def install(agent: Agent, loop: Loop) -> None:
    probe = ActivationsProbe(agent, loop, watch_of(agent))
    agent.guard(NAME, agent.before_backward, probe.before_backward)
    agent.guard(NAME, agent.sampled_after_backward, probe.after_sampled_backward)
    agent.guard(NAME, agent.sampled_after_step, probe.after_step)
