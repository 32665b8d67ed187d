"""Evaluation passes: batches that go through the model with no backward following.

Model calls are watched only while something points to an evaluation: a loader that was never trained on, a batch that
was pulled without gradients, a switch to evaluation mode. Each backward ends the watch. What was pulled and called
since the last backward is then known to be an evaluation, or the step's own forward.
"""

from __future__ import annotations

import sys
import weakref
from time import perf_counter
from types import FrameType
from typing import Any, Optional

from dlmon_probes.training import callsite, data, loss_formula, structures, switches, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.data import DataProbe, Pull
from dlmon_probes.training.evaluation_pass import Pass
from dlmon_probes.training.forwards import ForwardWatch, watch_of
from dlmon_probes.training.loop import Loop, LossValue, number_of
from dlmon_probes.training.loss_formula import Formula, Forward
from dlmon_probes.training.names import walk

NAME = "evaluation"
FIRST_CALLS = 4_000  # model calls after which the first watch ends if no backward came: rollouts
FLOOR = 1.0  # seconds that watching may cost in a run, beside its share of the time
ATTEMPTS = 8  # backwards at which the loss formula is looked for
SPLITS = ("split", "phase", "mode", "stage", "subset")  # local variables that tell evaluations apart


class EvaluationProbe:
    """Follows pulls, model calls, switches and backwards; tells finished passes."""

    def __init__(self, agent: Agent, loop: Loop, watch: ForwardWatch, loaders: Optional[DataProbe]) -> None:
        self._agent = agent
        self._loop = loop
        self._watch = watch
        self._loaders = loaders
        self._passes: dict[tuple[int, str], Pass] = {}
        self._current: Optional[Pass] = None
        self._trained: set[int] = set()
        self._batch: list[structures.Leaf] = []
        self._last: Optional[Forward] = None  # the last forward with gradients: its loss may come next
        self._formula: Optional[Formula] = None
        self._attempts = 0
        self._with_parameters: dict[int, tuple[Any, bool]] = {}
        self._calls = 0
        self._spent = 0.0
        self._born = perf_counter()
        self._open()

    # ------------------------------------------------------------ the watch

    def _open(self) -> None:
        if self._affordable():
            self._watch.follow(NAME, outermost=self.called)

    def _close(self) -> None:
        self._watch.leave(NAME)
        self._batch = []
        self._last = None

    def _affordable(self) -> bool:
        return self._spent < FLOOR + self._agent.governor.budget * (perf_counter() - self._born)

    # ------------------------------------------------------------ batches

    def pulled(self, pull: Pull) -> None:
        grad = tensors.torch_module().is_grad_enabled()
        following = self._watch.follows(NAME)
        if grad and not following and pull.loader in self._trained:
            self._current = None
            return
        current = self._current
        if current is None or current.iterator != pull.iterator:
            current = self._pass_of(pull)
        current.batches += 1
        current.rows += pull.rows
        current.rows_with_grad += pull.rows if grad else 0
        current.pulled_without_grad += not grad
        current.ended = perf_counter()
        if not following:
            self._open()
        self._watch.forget_call()
        self._batch = structures.leaves(pull.batch, 8)

    def _pass_of(self, pull: Pull) -> Pass:
        for done in [p for p in self._passes.values() if p.exhausted]:
            self._settle(done)
        key = (pull.iterator, "")
        if key not in self._passes:
            self._passes[key] = Pass(pull.loader, pull.iterator, self._agent.step)
        self._current = self._passes[key]
        return self._current

    def loader_ended(self, _loader: int, iterator: int) -> None:
        found = self._passes.get((iterator, ""))
        if found is not None:
            found.exhausted = True

    # ------------------------------------------------------------ switches and model calls

    def switched(self, module: Any, training: bool) -> None:
        if not self._belongs(module):
            return
        if not training:
            self._open()
        elif self._watch.follows(NAME) and any(p.without_grad for p in self._passes.values()):
            self._settle_all()
            self._close()

    def _belongs(self, module: Any) -> bool:
        """Whether a module is a part of the model; as long as that is not known, whether it has parameters."""
        names = self._agent.names
        if names is not None and names.roots():
            if names.module_name(module) is None:
                return False
        known = self._with_parameters.get(id(module))
        if known is None or known[0]() is not module:
            found = any(m.__dict__.get("_parameters") for _, m in walk(module))
            if len(self._with_parameters) > 256:
                self._with_parameters.clear()
            known = self._with_parameters[id(module)] = (weakref.ref(module), found)
        return known[1]

    def called(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """An outermost module call has ended."""
        began = perf_counter()
        torch = tensors.torch_module()
        grad = bool(torch.is_grad_enabled())
        if issubclass(type(module), torch.nn.modules.loss._Loss):
            if self._current is not None and self._current.forwards:
                with tensors.immune():
                    self._current.criterion(module, args, output, self._rows(args))
        elif self._belongs(module):
            self._model_called(module, args, kwargs, output, grad)
        self._spend(perf_counter() - began)

    def _model_called(self, module: Any, args: Any, kwargs: Any, output: Any, grad: bool) -> None:
        self._calls += 1
        current = self._pass_for_call(grad)
        names = self._agent.names
        if current is None and not (grad and self._formula is None):
            return
        forward = loss_formula.forward_of(module, args, kwargs, output, self._batch)
        if grad:
            self._last = forward if self._formula is None and self._attempts < ATTEMPTS else None
        if current is None:
            return
        if not current.forwards:
            current.where = callsite.where(callsite.caller())
            current.name = current.name or _split_name()
            current.look_at_modes(names.roots() if names is not None and names.roots() else [module])
        current.forwards += 1
        current.without_grad += not grad
        current.last_with_grad = grad
        current.ended = perf_counter()
        if not grad:
            self._agent.set_phase("evaluating")
        with tensors.immune():
            current.forward(forward, self._rows(args) or self._rows(kwargs), self._formula_for(module))

    def _pass_for_call(self, grad: bool) -> Optional[Pass]:
        """The pass of the batch that was pulled last; without a loader a pass of calls that record no gradients."""
        current = self._current
        if current is not None and current.iterator >= 0:
            if grad and current.exhausted and current.without_grad:  # a batch prefetched before the evaluation
                self._settle(current)
                return None
            return current
        if grad:
            return None
        name = _split_name()
        key = (-1, name)
        if key not in self._passes:
            self._passes[key] = Pass(-1, -1, self._agent.step, name)
        self._current = self._passes[key]
        return self._current

    def _formula_for(self, module: Any) -> Optional[Formula]:
        """The training's formula, if it was found on the output of this module."""
        formula = self._formula
        if formula is None:
            return None
        known = formula.module()
        return formula if known is module or self._name_of(known) == self._name_of(module) else None

    def _name_of(self, module: Any) -> Any:
        names = self._agent.names
        return names.module_name(module) if names is not None and module is not None else None

    def _rows(self, arguments: Any) -> int:
        if self._current is not None and self._current.iterator >= 0 and self._batch:
            tensor = self._batch[0].tensor
            return int(tensor.shape[0]) if tensor.dim() else 1
        return structures.rows(arguments) or 0

    def _spend(self, seconds: float) -> None:
        self._spent += seconds
        if self._current is not None:
            self._current.spent += seconds
        if self._calls > FIRST_CALLS and not self._agent.training and not self._passes:
            self._close()
        elif not self._affordable():
            self._agent.governor.skip(NAME)
            self._close()

    # ------------------------------------------------------------ steps

    def at_backward(self, _loss: Any, series: int) -> None:
        if not self._watch.follows(NAME) and not self._passes:
            return
        if self._last is not None:
            self._look_for_formula(self._last, series)
        self._judge_passes()
        self._current = None
        self._close()

    def _judge_passes(self) -> None:
        """A backward has come: passes it belongs to were training, the others are evaluations that are over."""
        for found in list(self._passes.values()):
            mine = found is self._current and (found.last_with_grad or not found.forwards)
            partner = found is not self._current and not found.forwards and not found.exhausted
            if found.iterator >= 0 and (mine or partner) and found.pulled_without_grad < found.batches:
                self._trained.add(found.loader)
                self._drop(found)
            else:
                self._settle(found)

    def after_sampled_backward(self, _series: int) -> None:
        if self._formula is None and 0 < self._attempts < ATTEMPTS:
            self._open()

    def _look_for_formula(self, forward: Forward, series: int) -> None:
        losses = self._loop.row.losses.get(series)
        if not losses:
            return
        self._attempts += 1
        began = perf_counter()
        loss: Any = losses[-1]
        with tensors.immune():
            tried = loss_formula.candidates(forward)

            def done(values: list[list[float]]) -> None:
                if isinstance(loss, LossValue) and not loss.arrived():
                    return
                value = number_of(loss)
                if value is not None and value - value == 0.0:
                    pairs = [(formula, v[0] if v else None) for (formula, _), v in zip(tried, values)]
                    self._formula = self._formula or loss_formula.confirmed(pairs, value)

            if tried:
                self._agent.later([value for _, value in tried], done)
        self._spend(perf_counter() - began)
        self._agent.governor.pay(perf_counter() - began)

    # ------------------------------------------------------------ ends of passes

    def _drop(self, found: Pass) -> None:
        self._passes = {key: p for key, p in self._passes.items() if p is not found}
        if self._current is found:
            self._current = None

    def _settle(self, found: Pass) -> None:
        """A pass is over: tell it if it was an evaluation."""
        self._drop(found)
        unseen = not self._watch.available and found.pulled_without_grad
        if not found.forwards and not unseen:
            return  # the loader was read for something else, statistics of the data set for instance
        if self._loaders is not None and found.rows_with_grad:
            self._loaders.not_trained_on(found.rows_with_grad)
        self._agent.governor.pay_for(NAME, found.spent)
        found.tell(self._agent)

    def _settle_all(self) -> None:
        for found in list(self._passes.values()):
            self._settle(found)

    def ending(self) -> None:
        """The process ends: passes without gradients were evaluations, others may have been a broken step."""
        for found in list(self._passes.values()):
            if found.without_grad or found.exhausted or found.pulled_without_grad:
                self._settle(found)


def _split_name() -> str:
    """The value of the caller's variable `split` or the like: "val"; "" without one. Looks three callers far."""
    frame = callsite.caller()
    for _ in range(3):
        if frame is None:
            break
        names = frame.f_globals if frame.f_code.co_name == "<module>" else frame.f_code.co_varnames
        known = [name for name in SPLITS if name in names]
        if known:
            value = _read_variable(frame, known[0])
            if type(value) is str and len(value) <= 32:
                return value
        frame = callsite.user_frame(frame.f_back)
    return ""


def _read_variable(frame: FrameType, name: str) -> Any:
    """Until Python 3.13 a function's `f_locals` is a copy that the frame keeps, and with it the tensors in it."""
    variables = frame.f_locals
    value = variables.get(name)
    if variables is not frame.f_globals and sys.version_info < (3, 13) and sys.gettrace() is None:
        variables.clear()
    return value


def install(agent: Agent, loop: Loop) -> None:
    loaders = data.probe_of(agent)
    probe = EvaluationProbe(agent, loop, watch_of(agent), loaders)
    if loaders is not None:
        agent.guard(NAME, loaders.on_pull, probe.pulled)
        agent.guard(NAME, loaders.on_end, probe.loader_ended)
    switches.install(agent, probe.switched)
    agent.guard(NAME, agent.before_backward, probe.at_backward)
    agent.guard(NAME, agent.sampled_after_backward, probe.after_sampled_backward)
    agent.guard(NAME, agent.ending, probe.ending)
