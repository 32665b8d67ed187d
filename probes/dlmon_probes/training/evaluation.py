"""Evaluation passes: batches that go through the model with no backward following.

Model calls are watched only while something points to an evaluation: a loader that was never trained on, a batch that
was pulled without gradients, a switch to evaluation mode. Each backward ends the watch. What was pulled and called
since the last backward is then known to be an evaluation, or the step's own forward.
"""

from __future__ import annotations

import sys
import weakref
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.training import callers, callsite, data, loss_formula, structures, switches, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.data import DataProbe
from dlmon_probes.training.evaluation_pass import Pass
from dlmon_probes.training.formula_search import FormulaSearch
from dlmon_probes.training.forwards import ForwardWatch, watch_of
from dlmon_probes.training.functional_losses import Call, FunctionalLosses
from dlmon_probes.training.indices import indices_of_rows
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.names import walk
from dlmon_probes.training.predictions import Predictor
from dlmon_probes.training.told_roots import root_of

NAME = "evaluation"
FIRST_CALLS = 4_000  # model calls after which the first watch ends if no backward came: rollouts
FLOOR = 1.0  # seconds that watching may cost in a run, beside its share of the time
ROLLOUT = 3  # calls without gradients and without a loader up to which it is no evaluation: acting, sampling


class EvaluationProbe:
    """Follows pulls, model calls, switches and backwards; tells finished passes."""

    def __init__(self, agent: Agent, loop: Loop, watch: ForwardWatch, loaders: Optional[DataProbe]) -> None:
        self._agent = agent
        self._watch = watch
        self._loaders = loaders
        self._passes: dict[tuple[int, str], Pass] = {}
        self._current: Optional[Pass] = None
        self._trained: set[int] = set()
        self._batch: list[structures.Leaf] = []
        self._earlier: list[structures.Leaf] = []
        self._search = FormulaSearch(agent, loop)
        self._functional = FunctionalLosses(agent, watch, self.functional)
        self._trained_by: set[str] = set()  # kinds of losses that were computed by functions before a backward
        self._kinds: set[str] = set()  # since the last one
        self._with_parameters: dict[int, tuple[Any, bool]] = {}
        self._calls = 0
        self.predictor = Predictor(agent)
        self._spent = 0.0
        self._born = perf_counter()
        self._open()

    # ------------------------------------------------------------ the watch

    def _open(self) -> None:
        if self._affordable():
            self._watch.follow(NAME, outermost=self.called)
            self._functional.follow()

    def _close(self) -> None:
        self._functional.remove()
        self._watch.leave(NAME)
        self._batch = self._earlier = []
        self._search.forget()

    def _affordable(self) -> bool:
        return self._spent < FLOOR + self._agent.governor.budget * (perf_counter() - self._born)

    # ------------------------------------------------------------ batches

    def pulled(self, loader: int, iterator: int, rows: int, batch: Any, grad: bool) -> None:
        following = self._watch.follows(NAME)
        if grad and not following and loader in self._trained:
            self._current = None
            return
        current = self._current
        if current is None or current.iterator != iterator:
            current = self._pass_of(loader, iterator)
        current.batches += 1
        current.rows += rows
        current.rows_with_grad += rows if grad else 0
        current.pulled_without_grad += not grad
        current.ended = perf_counter()
        if not following:
            self._open()
        if not grad and not self._watch.available:
            self._agent.set_phase("evaluating")
        self._watch.forget_call()
        wanted = not current.predictions.given_up
        current.pulled(indices_of_rows(self._agent, loader, rows) if wanted else None)
        self._earlier, self._batch = self._batch, structures.leaves(batch, 8)

    def _pass_of(self, loader: int, iterator: int) -> Pass:
        for done in [p for p in self._passes.values() if p.exhausted]:
            self._settle(done)
        key = (iterator, "")
        if key not in self._passes:
            self._passes[key] = found = Pass(loader, iterator, self._agent.step, self.predictor)
            self._agent.attention = True
            if not self._watch.available:  # model calls are not watched: the loop's line has to do
                found.where = callsite.where(callsite.caller())
        self._current = self._passes[key]
        return self._current

    def loader_ended(self, _loader: int, iterator: int) -> None:
        found = self._passes.get((iterator, ""))
        if found is not None:
            found.loader_ended()
            if found is self._current:
                self._earlier, self._batch = self._batch, []

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
        if names is not None and names.roots() and names.module_name(module) is None:
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
                    self._current.criterion(module, args, output, structures.rows(args) or 0)
        elif self._belongs(module):
            self._model_called(module, args, kwargs, output, grad)
        self._spend(perf_counter() - began - self.predictor.take())

    def functional(self, call: Call) -> None:
        """The script has called a function of torch.nn.functional that computes a loss, outside of modules."""
        grad = tensors.torch_module().is_grad_enabled()
        if grad:
            self._kinds.add(call.kind)
        if self._current is None or not self._current.forwards:
            return
        if grad and self._current.iterator < 0:
            return  # a training step whose model calls recorded no gradients: gradient checkpointing
        began = perf_counter()
        with tensors.immune():
            self._current.functional(call, self._trained_by)
        self._spend(perf_counter() - began - self.predictor.take())

    def _model_called(self, module: Any, args: Any, kwargs: Any, output: Any, grad: bool) -> None:
        self._calls += 1
        current = self._pass_for_call(grad)
        searching = grad and self._search.wanted
        if current is None and not searching:
            return
        with tensors.immune():
            forward = loss_formula.forward_of(module, args, kwargs, output, self._batch, self._earlier)
        if searching:
            self._search.trained(forward)
        if current is None:
            return
        if not current.forwards:
            self._begin_pass(current, module)
        current.noted(grad, bool(module.__dict__.get("training", True)))
        if not grad and (current.iterator >= 0 or current.forwards > ROLLOUT):
            self._agent.set_phase("evaluating")
        rows = structures.rows(args) or structures.rows(kwargs) or 0
        formula = self._search.formula_for(module)
        if formula is None and not grad:
            self._search.lacks(module)
        with tensors.immune():
            current.forward(forward, rows, formula)

    def _begin_pass(self, current: Pass, module: Any) -> None:
        names = self._agent.names
        current.root = root_of(names, module)
        current.where = callsite.where(callsite.caller())
        current.name = current.name or callers.split_name()
        current.look_at_modes((names.roots() if names is not None else None) or [module])

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
        name = callers.split_name()
        key = (-1, name)
        if key not in self._passes:
            self._passes[key] = Pass(-1, -1, self._agent.step, self.predictor, name)
            self._agent.attention = True
        self._current = self._passes[key]
        return self._current

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
        self._search.at_backward(series)
        self._trained_by |= self._kinds
        self._kinds = set()
        self._judge_passes()
        self._current = None
        self._close()
        if self._search.at_once():
            self._open()

    def _judge_passes(self) -> None:
        """A backward has come: passes it belongs to were training, the others are evaluations that are over."""
        for found in list(self._passes.values()):
            if found.iterator >= 0 and found.trains(latest=found is self._current):
                self._trained.add(found.loader)
                self._drop(found)
            else:
                self._settle(found)

    def after_sampled_backward(self, series: int) -> None:
        """As long as the loss formula is not known, look at the forward after a sampled backward."""
        if self._search.next_attempt(series):
            self._open()

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
        unseen_why = "" if self._watch.available else "the program compiles: calls of its modules are not followed"
        found.tell(self._agent, unseen_why)

    def _settle_all(self) -> None:
        for found in list(self._passes.values()):
            self._settle(found)

    def ending(self) -> None:
        """The process ends: passes without gradients were evaluations, others may have been a broken step."""
        crashed = getattr(sys, "last_value", None) is not None
        for found in list(self._passes.values()):
            if found.exhausted or (found.without_grad and not crashed):
                self._settle(found)


def install(agent: Agent, loop: Loop) -> None:
    loaders = data.probe_of(agent)
    probe = EvaluationProbe(agent, loop, watch_of(agent), loaders)
    if loaders is not None:
        agent.guard(NAME, loaders.on_pull, probe.pulled)
        agent.guard(NAME, loaders.on_end, probe.loader_ended)
        agent.guard(NAME, loaders.on_pass, probe.predictor.begins)
    switches.install(agent, probe.switched)
    agent.guard(NAME, agent.before_backward, probe.at_backward)
    agent.guard(NAME, agent.sampled_after_backward, probe.after_sampled_backward)
    agent.guard(NAME, agent.ending, probe.ending)
