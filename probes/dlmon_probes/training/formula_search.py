"""Finds the training's loss formula at the first backwards (see loss_formula) and hands it to evaluation."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Optional

from dlmon_probes.training import loss_formula, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop
from dlmon_probes.training.loss_formula import Formula, Forward
from dlmon_probes.training.rows import LossValue, number_of

ATTEMPTS = 8  # sampled backwards after which the search is given up


class FormulaSearch:
    """Keeps the last forward with gradients until its loss goes backward, then tries which formula fits."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._formula: Optional[Formula] = None
        self._last: Optional[Forward] = None
        self._attempts = 0

    @property
    def wanted(self) -> bool:
        return self._formula is None and self._attempts < ATTEMPTS

    def next_attempt(self) -> bool:
        """True if one more forward is to be watched for the search."""
        wanted = self.wanted
        self._attempts += wanted
        return wanted

    def trained(self, forward: Forward) -> None:
        """A model call that recorded gradients: its loss may come next."""
        self._last = forward if self.wanted else None

    def forget(self) -> None:
        self._last = None

    def formula_for(self, module: Any) -> Optional[Formula]:
        """The training's formula, if it was found on the output of this module (or of a wrapper of it)."""
        formula, names = self._formula, self._agent.names
        if formula is None:
            return None
        known = formula.module()
        if known is module:
            return formula
        if known is None or names is None or names.module_name(module) is None:
            return None
        return formula if names.module_name(known) == names.module_name(module) else None

    def at_backward(self, series: int) -> None:
        """Compare the formulas that fit the last forward with the loss that goes backward now."""
        forward, self._last = self._last, None
        losses = self._loop.row.losses.get(series)
        if forward is None or not losses or not self.wanted:
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
                    self._formula = self._formula or loss_formula.confirmed(pairs, value)

            if tried:
                self._agent.later([value for _, value in tried], done)
        self._agent.governor.pay(perf_counter() - began)
