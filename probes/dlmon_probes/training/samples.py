"""What goes through each loader: which rows come again, which labels there are and in what order, scale by column.

Looks at batches as they are pulled: the first ones of each loader until a fixed time is spent, later ones in sampled
steps. Nothing of a batch is kept but numbers.
"""

from __future__ import annotations

import time
from collections import Counter
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_data import LoaderRows, Truncated
from dlmon_probes.training import batch_rows, data, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.copies import Copies
from dlmon_probes.training.loop import Loop

NAME = "samples"
FLOOR = 0.08  # seconds for the first batches, start-up cost: some hundreds of batches
SHARE = 0.1  # of the budget, after that
MOST_HASHES = 16_384  # rows remembered of each loader
MOST_LOADERS = 16
MOST_CLASSES = 1_000
TELL_EVERY = 0.5  # seconds at first; then ever longer, half as long again each time
TELL_SELDOM = 60.0  # seconds


class LoaderCount:
    """One loader's numbers as they add up."""

    def __init__(self, loader: int) -> None:
        self.loader = loader
        self.trained = False
        self.dirty = False
        self.pulls = self.batches = self.rows = self.same_batch = self.one_row = 0
        self.one_class = self.neighbours = self.changes = 0
        self.hashes: dict[int, int] = {}  # → optimizers that had been made when the row came last
        self.bits: Optional[float] = None
        self.labels: Counter[int] = Counter()
        self.label_path = self.input_path = ""
        self.moments = batch_rows.Moments()
        self.copies = Copies()
        self._batch: Any = None
        self._iterator = -1
        self._last_label: Optional[int] = None

    def look(self, iterator: int, roles: batch_rows.Roles, generation: int) -> None:
        if roles.input is None:
            return
        self.dirty = True
        self.batches += 1
        x = roles.input.tensor
        hashes = batch_rows.row_hashes(x)
        labels = batch_rows.labels_of(roles.label.tensor) if roles.label is not None else None
        self._note_rows(hashes, labels, generation)
        if self.bits is None:
            self.input_path, self.bits = roles.input.path, batch_rows.entropy(x)
        if x.is_floating_point() or x.element_size() == 1:
            self.moments.add(x)
        if roles.label is not None and labels is not None:
            self.label_path = roles.label.path
            self._note_labels(labels, iterator)
            self.copies.add(x, labels)
        self._iterator = iterator

    def _note_rows(self, hashes: list[int], labels: Optional[list[int]], generation: int) -> None:
        self.rows += len(hashes)
        batch = hash((tuple(hashes), tuple(labels or ())))
        self.same_batch += batch == self._batch
        self._batch = batch
        self.one_row += len(hashes) > 1 and len(set(hashes)) == 1
        for number in hashes:
            if number in self.hashes or len(self.hashes) < MOST_HASHES:
                self.hashes[number] = generation

    def _note_labels(self, labels: list[int], iterator: int) -> None:
        if len(self.labels) < MOST_CLASSES:
            self.labels.update(labels)
        self.one_class += len(set(labels)) == 1
        before = [self._last_label] if iterator == self._iterator and self._last_label is not None else []
        chain = before + labels
        self.neighbours += len(chain) - 1
        self.changes += sum(one != other for one, other in zip(chain, chain[1:]))
        self._last_label = labels[-1] if labels else None

    def event(self, step: int, shared: dict[str, int]) -> LoaderRows:
        mean, std = self.moments.read()
        return LoaderRows(
            t=time.time(), step=step, loader=self.loader, trained=self.trained, pulls=self.pulls, batches=self.batches,
            rows=self.rows, distinct=len(self.hashes), same_batch=self.same_batch, one_row=self.one_row,
            bits=self.bits, labels={str(k): n for k, n in self.labels.most_common(MOST_CLASSES)},
            label_path=self.label_path, one_class=self.one_class, neighbours=self.neighbours, changes=self.changes,
            input_path=self.input_path, mean=list(mean), std=list(std), shared=shared,
            copies=self.copies.columns, looked_for_copies=self.copies.rows_judged,
        )  # fmt: skip


class SamplesProbe:
    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._counts: dict[int, LoaderCount] = {}
        self._latest: Optional[LoaderCount] = None
        self._spent = 0.0
        self._born = perf_counter()
        self._told = 0.0
        self._pause = TELL_EVERY
        self._cut: set[int] = set()

    def pulled(self, loader: int, iterator: int, _rows: int, batch: Any, _grad: bool) -> None:
        began = perf_counter()
        count = self._counts.get(loader)
        if count is None:
            if len(self._counts) >= MOST_LOADERS:
                return
            count = self._counts[loader] = LoaderCount(loader)
        count.pulls += 1
        self._latest = count
        sampled = self._agent.sampling and self._agent.governor.affords(NAME)
        if not sampled and self._spent > FLOOR + SHARE * self._agent.governor.budget * (began - self._born):
            return
        with tensors.immune():
            roles = batch_rows.Roles(batch)
            count.look(iterator, roles, self._loop.optimizer_made)
            if loader not in self._cut:
                self._cut.add(loader)
                self._note_cut(loader, roles)
        seconds = perf_counter() - began
        governor = self._agent.governor
        if self._spent < FLOOR:
            governor.startup += seconds
            governor.seconds[NAME] = governor.seconds.get(NAME, 0.0) + seconds
        else:
            governor.pay_for(NAME, seconds)
        self._spent += seconds

    def _note_cut(self, loader: int, roles: batch_rows.Roles) -> None:
        """Float labels of a loader's first batch, and what cutting them to whole numbers would leave."""
        label = roles.value
        if label is None or batch_rows.labels_of(label.tensor) is not None:
            return
        measured = tensors.Measured(label.tensor)
        cut = label.tensor.detach().double().trunc()
        values = [] if measured.vector is None else measured.vector.tolist()
        self._agent.emit(
            Truncated(
                time.time(), self._agent.step, loader, label.path, measured.facts(values or None),
                float(cut.mean()), float(cut.amin()), float(cut.amax()),
            )
        )  # fmt: skip

    def at_backward(self, _loss: Any, _series: int) -> None:
        if self._latest is not None and not self._latest.trained:
            self._latest.trained = self._latest.dirty = True

    # ------------------------------------------------------------ telling

    def step_closed(self, _step: int) -> None:
        if perf_counter() - self._told >= self._pause:
            self.tell()

    def pass_ended(self, _loader: int, _iterator: int) -> None:
        if perf_counter() - self._told >= self._pause:
            self.tell()

    def tell(self) -> None:
        """Readers keep the last lines only: every loader is told of again, so that none falls out."""
        if not any(count.dirty for count in self._counts.values()):
            return
        self._told = perf_counter()
        self._pause = min(1.5 * self._pause, TELL_SELDOM)
        for count in list(self._counts.values()):
            count.dirty = False
            if count.batches:
                self._agent.emit(count.event(self._agent.step, self._shared(count)))
        self._agent.governor.pay_more(NAME, perf_counter() - self._told)

    def _shared(self, count: LoaderCount) -> dict[str, int]:
        """Rows that were trained on by the optimizers that were there when they were evaluated."""
        if count.trained:
            return {}
        found = {}
        for other in self._counts.values():
            if other.trained:
                known = other.hashes
                found[str(other.loader)] = sum(known.get(row) == made for row, made in count.hashes.items())
        return {loader: rows for loader, rows in found.items() if rows}

    def began_anew(self) -> None:
        self._counts.clear()
        self._cut.clear()
        self._latest = None


def install(agent: Agent, loop: Loop) -> None:
    loaders = data.probe_of(agent)
    if loaders is None:
        return
    probe = SamplesProbe(agent, loop)
    agent.guard(NAME, loaders.on_pull, probe.pulled)
    agent.guard(NAME, loaders.on_end, probe.pass_ended)
    agent.guard(NAME, agent.sampled_before_backward, probe.at_backward)
    agent.guard(NAME, agent.step_closed, probe.step_closed)
    agent.guard(NAME, agent.ending, probe.tell)
    agent.guard(NAME, agent.forked, probe.began_anew)
