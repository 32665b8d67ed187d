"""Training data that comes from no DataLoader: the same batch again and again, or another in its place.

After every backward the random states are put back to where they stood after the first one, so that whatever is drawn
is drawn again (the states are put back at backwards and not at steps: the micro-batches of an accumulation are then
one batch, too). Where the model is not given the same tensors all the same, the script walks through its arrays by
hand; then the results of its own indexing and converting calls are kept for one cycle and given again.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.stages.data import batches, roles
from dlmon_probes.stages.data.digests import digest_of
from dlmon_probes.stages.data.making import Made, Making, Place, in_words
from dlmon_probes.stages.data.model_inputs import ModelInputs
from dlmon_probes.stages.data.randomness import RandomStates
from dlmon_probes.stages.data.synthetic import Synthetic
from dlmon_probes.training import structures, tensors
from dlmon_probes.training.agent import Agent

ATTEMPTS = 6  # backwards in which the batch is looked for among what the script made
PATIENCE = 3  # looks in a row: a batch that is fetched in advance is drawn again only the second next time
MOST_CYCLES = 64  # backwards of one step that are told apart

WATCHING, KEEPING, GIVING, REPLACING = "watching", "keeping", "giving", "replacing"

Cycle = dict[Place, Made]


class Replay:
    """From the first backward on, makes the batches of a loop repeat.

    indexing: also keep and give again what the script's own calls made, if random states are not enough. looks, same:
    how often it was looked at whether the model was given what it was given in the step before, and how often it was.
    trouble: why batches cannot be replaced, "" as long as they can. roles: path → role of replaced results.
    """

    def __init__(self, agent: Agent, change: Callable[[str], None], indexing: bool = True) -> None:
        self._agent = agent
        self._change = change
        self._inputs = ModelInputs(agent)
        self._inputs.forget()
        self._states: Optional[RandomStates] = None
        self._indexing = indexing
        self._mode = WATCHING
        self._backward = 0  # of the running step
        self._seen: dict[int, int] = {}  # n-th backward of a step → digest of what the model was given
        self._kept: dict[int, Cycle] = {}  # the same → results
        self._now: Cycle = {}
        self._before: Cycle = {}
        self._others = 0  # looks in a row at which the model was given something else
        self._maker: Optional[Synthetic] = None
        self._places: dict[Place, str] = {}
        self._drawn: dict[str, Any] = {}
        self._seed = 0
        self._attempts = 0
        self._replaces = False
        self.trouble = ""
        self.roles: dict[str, str] = {}
        self.looks = 0
        self.same = 0
        self._making = Making(self._answer, self._note, lambda: self._inputs.inside) if indexing else None
        agent.guard("replay", agent.before_backward, self._before_backward)
        self._change("random states are put back after every backward")

    def substitute(self, _loss: Any, seed: int) -> None:
        """Put synthetic data in the place of the script's own, as soon as it is seen where it makes it. What cannot
        be found is told in `trouble`, some backwards later."""
        self._replaces = True
        self._seed = seed

    # ------------------------------------------------------------ called by the stage

    def after_backward(self) -> None:
        """A backward has run."""
        first = self._states is None
        if self._making is not None:
            self._making.on = False
        with tensors.immune():
            if not self._replaces:
                self._look()
            self._turn_over(first)
            if self._states is None:
                self._states = RandomStates()
            elif not self._replaces:
                self._states.restore()
        if self._making is not None:
            self._making.new_cycle()
            self._making.on = True

    def after_step(self) -> None:
        """An optimizer cycle has ended."""
        self._backward = 0

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        """Was the model given what it was given at the same backward of the step before?"""
        digest = self._inputs.digest() or self._digest_of_results()
        known = self._seen.get(self._backward)
        self._seen[self._backward] = digest
        if not digest or not known:  # nothing was seen: a loop without modules, or the very first backward
            return
        self.looks += 1
        self.same += digest == known
        self._others = 0 if digest == known else self._others + 1
        if self._mode == KEEPING and self._backward in self._kept:
            self._mode = GIVING
        elif self._mode == WATCHING and self._indexing and self._others >= PATIENCE:
            self._mode = KEEPING
            self._change("results of the script's own indexing and converting are kept and given again")

    def _digest_of_results(self) -> int:
        """For loops without modules: what the script's calls made."""
        if not self._now:
            return 0
        return digest_of(("", made.value) for made in self._now.values())

    def _turn_over(self, first: bool) -> None:
        if self._mode == KEEPING and not first:
            self._kept.setdefault(self._backward, dict(self._now))
        self._before, self._now = self._now, {}
        self._inputs.forget()
        self._backward = min(self._backward + 1, MOST_CYCLES)
        if self._maker is not None:
            self._drawn = self._maker.values()

    # ------------------------------------------------------------ calls of the script

    def _note(self, place: Place, made: Made) -> None:
        # A copy, while results are kept: the script may go on to change what it made.
        self._now[place] = _copied(made) if self._mode == KEEPING else made

    def _answer(self, place: Place, source: Any) -> Optional[Any]:
        if self._mode == REPLACING:
            path = self._places.get(place)
            drawn = self._drawn.get(path) if path is not None else None
            return None if drawn is None else _clone(drawn)
        if self._mode != GIVING:
            return None
        # Updates made by hand end their step only when the next backward begins: their results are kept under 0.
        made = self._kept.get(self._backward, self._kept.get(0, {})).get(place)
        if made is None or not made.fits(source):
            return None
        self._now[place] = made
        return _clone(made.value)

    # ------------------------------------------------------------ synthetic data

    def _before_backward(self, loss: Any, _series: int) -> None:
        if not self._replaces or self._maker is not None or self.trouble or self._states is None:
            return
        self._attempts += 1
        reason = ""
        with tensors.immune():
            for cycle in (self._now, self._before):  # some fetch the next batch before the backward of this one
                reason = self._try_to_replace(cycle, loss) or reason
                if self._maker is not None:
                    return
        if self._attempts >= ATTEMPTS:
            self.trouble = reason or "the script makes no tensors between two backwards: its data is made before"

    def _try_to_replace(self, cycle: Cycle, loss: Any) -> str:
        """Find the inputs and targets among the results of a cycle; why not, in words."""
        if not cycle:
            return ""
        leaves = [structures.Leaf(in_words(place), made.value) for place, made in cycle.items()]
        given = self._inputs.last()
        if not given:
            return "no module was called between two backwards: what the model is given is not known"
        found = roles.roles_of(leaves, loss, given)
        if found.kind == "unknown":
            return found.reason
        if not roles.fed(found, leaves, given):
            return "what the model is given is not made between two backwards"
        wanted = set(found.inputs) | {target.path for target in found.targets}
        kept = {leaf.path: leaf.tensor for leaf in leaves if leaf.path in wanted}
        frozen = batches.freeze(kept)
        found.inputs = [f"[{path!r}]" for path in found.inputs]
        found.targets = [roles.TargetRole(f"[{t.path!r}]", t.kind, t.classes, t.ignore) for t in found.targets]
        try:
            self._maker = Synthetic(frozen, found, self._seed)
            self._drawn = self._maker.values()
        except ValueError as error:
            return str(error)
        self._places = {place: f"[{in_words(place)!r}]" for place in cycle if in_words(place) in wanted}
        self.roles = {path: role for path, role in found.by_path().items() if path in self._drawn}
        self._mode = REPLACING
        self._tell(frozen)
        return ""

    def _tell(self, frozen: batches.Frozen) -> None:
        from dlmon_probes.stages.learning import named

        self._agent.emit(
            events.StageData(
                time.time(), self._agent.step, "synthetic", "replay", named(frozen.leaves), dict(self.roles)
            )
        )


def _copied(made: Made) -> Made:
    return Made(_clone(made.value), made.source)


def _clone(value: Any) -> Any:
    with tensors.immune():
        return batches.clone(value)
