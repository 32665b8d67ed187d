"""Finds each model's loss formula at its first backwards (see loss_formula) and hands it to evaluation.

A script may train several models one after the other, and one model by several losses: a formula belongs to a module
and a series of backwards. It is looked for again when an optimizer is made or a series begins that was not there, and
when a model is evaluated that has none.
"""

from __future__ import annotations

import weakref
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes.training import loss_formula, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.loss_formula import Formula, Forward
from dlmon_probes.training.rows import LossValue, number_of

ATTEMPTS = 8  # sampled backwards after which a search is given up
MOST_SEARCHES = 256  # in a run: some loops make an optimizer for each step
MOST_IN_VAIN = 4  # searches without any formula found, after which no more are begun
Key = tuple[str, str, str, str]
SURE = 2  # backwards that a formula must give the loss of: one may be met by chance


class Evidence:
    """What the backwards of one model in one series said about each formula."""

    def __init__(self, module: Callable[[], Any], series: int) -> None:
        self.module = module
        self.series = series
        self.looks = 0
        self._votes: dict[Key, int] = {}
        self._failed: set[Key] = set()
        self._best: Optional[Formula] = None

    def add(self, tried: list[Formula], found: list[Formula]) -> None:
        """tried: the formulas whose tensors one backward had in sight. found: of them those that gave its loss, best
        first. A program that fetches ahead does not always have the right one in sight: that speaks not against it."""
        self.looks += 1
        keys = [formula.key for formula in found]
        self._failed.update(formula.key for formula in tried if formula.key not in keys)
        for key in keys:
            self._votes[key] = self._votes.get(key, 0) + 1
        if found and (self._best is None or self._votes[keys[0]] > self._votes[self._best.key]):
            self._best = found[0]

    @property
    def votes(self) -> int:
        return self._votes[self._best.key] if self._best is not None else 0

    @property
    def sure(self) -> bool:
        return self.votes >= SURE

    @property
    def formula(self) -> Optional[Formula]:
        """What is believed so far. One backward is enough where the loss was met to float32's digits by targets of
        their own, as long as no other one contradicts."""
        best = self._best
        if best is None or self.sure:
            return best
        return None if best.doubtful or best.key in self._failed else best


class FormulaSearch:
    """Keeps the last forward with gradients until its loss goes backward, then tries which formula fits."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._evidence: list[Evidence] = []
        self._last: Optional[Forward] = None
        self._left = ATTEMPTS
        self._searches = 1
        self._in_vain = 0
        self._found_any = False
        self._series: set[int] = set()
        self._optimizers = 0
        self._urgent = 0
        self._asked: dict[int, Callable[[], Any]] = {}  # modules that were evaluated without a formula

    @property
    def wanted(self) -> bool:
        return self._left > 0

    def next_attempt(self, series: int) -> bool:
        """True if one more forward is to be watched for the search. series: the one that went backward last."""
        if series not in self._series or self._optimizers != self._loop.optimizer_made:
            first = not self._series
            self._series.add(series)
            self._optimizers = self._loop.optimizer_made
            if not first:
                self._begin()
        wanted = self.wanted
        self._left -= wanted
        return wanted

    def lacks(self, module: Any) -> None:
        """A module is evaluated and has no formula: look at the next backwards, once for each module."""
        known = self._asked.get(id(module))
        if known is not None and known() is module:
            return
        if len(self._asked) >= MOST_SEARCHES:
            self._asked.clear()
        self._asked[id(module)] = weakref.ref(module)
        if not self.wanted:
            self._begin()
        self._urgent = SURE

    def at_once(self) -> bool:
        """True if the next step's forward is to be watched, without waiting for a sampled one."""
        if self._urgent <= 0 or not self.wanted:
            return False
        self._urgent -= 1
        self._left -= 1
        return True

    def _begin(self) -> None:
        self._in_vain = 0 if self._found_any else self._in_vain + 1
        if self._searches < MOST_SEARCHES and self._in_vain < MOST_IN_VAIN:
            self._searches += 1
            self._left = ATTEMPTS
            self._found_any = False

    def trained(self, forward: Forward) -> None:
        """A model call that recorded gradients: its loss may come next."""
        self._last = forward if self.wanted else None

    def forget(self) -> None:
        self._last = None

    def formula_for(self, module: Any) -> Optional[Formula]:
        """The formula that this module (or one it wraps, or a wrapper of it) is trained by; of several series the one
        that began last."""
        same = [evidence for evidence in self._evidence if self._same(evidence.module(), module)]
        return max(same, key=lambda evidence: evidence.series).formula if same else None

    def _same(self, known: Any, module: Any) -> bool:
        names = self._agent.names
        if known is module:
            return True
        if known is None or names is None or names.module_name(module) is None:
            return False
        return bool(names.module_name(known) == names.module_name(module))

    def _evidence_of(self, forward: Forward, series: int) -> Evidence:
        module = forward.module()
        self._evidence = [evidence for evidence in self._evidence if evidence.module() is not None]
        for evidence in self._evidence:
            if evidence.module() is module and evidence.series == series:
                return evidence
        self._evidence.append(Evidence(forward.module, series))
        return self._evidence[-1]

    def at_backward(self, series: int) -> None:
        """Compare the formulas that fit the last forward with the loss that goes backward now."""
        forward, self._last = self._last, None
        losses = self._loop.row.losses.get(series)
        if forward is None or not losses or not self.wanted or forward.module() is None:
            return
        evidence = self._evidence_of(forward, series)
        if evidence.sure:
            self._found_any, self._left = True, 0
            return
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
                    evidence.add([formula for formula, _ in tried], loss_formula.confirmed(pairs, value))
                    self._found_any = self._found_any or evidence.formula is not None
                    self._left = 0 if evidence.sure else self._left

            if tried:
                self._agent.later([value for _, value in tried], done)
        self._agent.governor.pay(perf_counter() - began)
