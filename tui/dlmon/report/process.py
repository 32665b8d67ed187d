"""The fold of one training process for a pack: what a snapshot thins out or forgets, and a report needs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from dlmon.report.evidence import Process
from dlmon.report.spans import MOST_SERIES, Spans, finite_sum
from dlmon.report.trainings import ModelList, trainings
from dlmon.state.evaluation_names import PassName, PassNames
from dlmon.state.series import Series
from dlmon.state.snapshot import SeriesView
from dlmon_probes import events
from dlmon_probes.events_data import LoaderRows
from dlmon_probes.events_loop import Beginning
from dlmon_probes.events_machine import Usage
from dlmon_probes.events_predictions import Predictions

MOST_EVALUATIONS = 20_000
MOST_GROUPS = 64  # of evaluation passes whose predictions are kept
MOST_MODELS = 256
UNSEEDED = 2**32  # torch's initial seed is at or above this where nobody set one

# What scripts call these when they log them by themselves; the last part of the tag, separators as "_".
_LOGGED = {
    "val_loss": re.compile(r"(val|valid|validation|eval|dev)_?(epoch_)?loss"),
    "val_accuracy": re.compile(r"(val|valid|validation|eval|dev)_?(acc|accuracy)1?"),
    "train_accuracy": re.compile(r"(train|training)_?(acc|accuracy)1?"),
}


class ProcessFold:
    """Fold of one file's events. Nothing in an event makes it raise for more than that event."""

    def __init__(self, file: str, rank: int) -> None:
        self.file, self.rank = file, rank
        self._hello: events.Hello | None = None
        self._sites: dict[str, events.Series] = {}
        self._losses: dict[str, Series] = {}
        self._steps = 0
        self._spans = Spans()
        self._lr = Series("lr", "lr")
        self._ends = Series("end of step", "time")
        self._gradients: dict[int, Series] = {}
        self._last_sampled: dict[int, int] = {}
        self._memory: dict[str, Series] = {}
        self._models = ModelList(MOST_MODELS)
        self._optimizers: dict[int, events.Optimizer] = {}
        self._loaders: dict[int, events.Loader] = {}
        self._trained: set[int] = set()
        self._passes = PassNames()
        self._names: dict[tuple[int, str], PassName] = {}
        self._evaluations: list[events.Evaluation] = []
        self._right: dict[tuple[int, str, int], float] = {}  # by loader, name and step of a pass
        self._evaluated: list[int | None] = []
        self._left_out = 0
        self._latest: dict[tuple[int, str], Predictions] = {}
        self._best: dict[tuple[int, str], Predictions] = {}
        self._lowest: dict[tuple[int, str], tuple[tuple[bool, float], int]] = {}
        self._seconds, self._timed, self._waited = 0.0, 0, 0.0
        self._first_at: float | None = None
        self._last_at: float | None = None
        self._micro = 1
        self._epochs_cut = 0
        self._peak_gpu: dict[str, int] = {}
        self._peak_host: int | None = None
        self._seed: int | None = None
        self._fold: dict[type[Any], Callable[[Any], None]] = {
            events.Hello: self._on_hello,
            events.Series: self._on_series,
            events.Steps: self._on_steps,
            events.Model: self._on_model,
            events.Optimizer: self._on_optimizer,
            events.Gradients: self._on_gradients,
            events.Graph: self._on_graph,
            events.Loader: self._on_loader,
            events.Evaluation: self._on_evaluation,
            events.Scalars: self._on_scalars,
            events.Memory: self._on_memory,
            LoaderRows: self._on_rows,
            Usage: self._on_usage,
            Beginning: self._on_beginning,
            Predictions: self._on_predictions,
        }

    def fold(self, event: Any) -> None:
        handler = self._fold.get(type(event))
        if handler is None:
            return
        try:
            handler(event)
        except (ArithmeticError, ValueError, TypeError, LookupError):
            return  # absurd: the snapshot counts these and says so

    def _on_hello(self, event: events.Hello) -> None:
        self._hello = self._hello or event

    def _on_steps(self, event: events.Steps) -> None:
        size = len(event.at)
        if not size or event.first < 0 or self._hello is None:
            return
        self._cut_epochs(event.first + size)
        self._spans.add(event)
        for key, values in event.loss.items():
            self._loss(key).extend(event.first, values[:size])
        self._steps = max(self._steps, event.first + size)
        self._lr.extend(event.first, event.lr[:size])
        self._ends.extend(event.first, event.at)
        total, count, _ = finite_sum(event.dt[:size])
        self._seconds, self._timed = self._seconds + total, self._timed + count
        self._waited += finite_sum(event.wait[:size])[0]
        self._micro = max(1, event.micro[-1]) if event.micro else self._micro
        if self._first_at is None:
            self._first_at = self._hello.t + event.at[0] - (event.dt[0] or 0.0)
        self._last_at = self._hello.t + event.at[-1]

    def _on_series(self, event: events.Series) -> None:
        key = str(event.series)
        if key in self._sites or len(self._sites) < MOST_SERIES:
            self._sites[key] = event
        if key in self._losses:
            self._losses[key].rename(event.name, event.where)

    def _loss(self, key: str) -> Series:
        series = self._losses.get(key)
        if series is None:
            site = self._sites.get(key)
            name, where = (site.name, site.where) if site else (f"loss {key}", None)
            series = Series(name, "loss", where)
            if len(self._losses) < MOST_SERIES:
                self._losses[key] = series
        return series

    def _cut_epochs(self, end: int) -> None:
        """Boundaries at the epochs that have ended by step `end`."""
        length = self.steps_per_epoch
        if length is None or length < 1:
            return
        while round((self._epochs_cut + 1) * length) < end:
            self._epochs_cut += 1
            self._spans.cut(round(self._epochs_cut * length))

    @property
    def steps_per_epoch(self) -> float | None:
        """Batches of the loader that is trained on, or else of the largest, by backward calls in a step."""
        known = [loader for loader in self._loaders.values() if loader.length]
        known = [loader for loader in known if loader.loader in self._trained] or known
        largest = max(known, key=lambda loader: loader.samples or loader.length or 0, default=None)
        return None if largest is None or not largest.length else largest.length / self._micro

    def _on_model(self, event: events.Model) -> None:
        self._models.add(event)

    def _on_optimizer(self, event: events.Optimizer) -> None:
        if event.index in self._optimizers or len(self._optimizers) < MOST_MODELS:
            self._optimizers.setdefault(event.index, event)
            self._spans.cut(event.step)  # here the training of another model may begin

    def _on_gradients(self, event: events.Gradients) -> None:
        if event.optimizer not in self._gradients and len(self._gradients) >= MOST_GROUPS:
            return
        self._last_sampled[event.optimizer] = event.step
        if event.total is not None:
            name = f"optimizer {event.optimizer}"
            series = self._gradients.setdefault(event.optimizer, Series(name, "gradient norm"))
            series.append(event.step, event.total)

    def _on_graph(self, event: events.Graph) -> None:
        for loss in event.losses:
            if loss.accuracy is not None and math.isfinite(loss.accuracy):
                self._spans.accuracy(event.step, loss.accuracy)

    def _on_loader(self, event: events.Loader) -> None:
        if event.loader in self._loaders or len(self._loaders) < MOST_GROUPS:
            self._loaders[event.loader] = event
            self._passes.loader(event)

    def _on_rows(self, event: LoaderRows) -> None:
        if event.trained:
            self._trained.add(event.loader)

    def _on_evaluation(self, event: events.Evaluation) -> None:
        self._spans.cut(event.step)
        if len(self._evaluations) >= MOST_EVALUATIONS:
            self._left_out += 1
            self._evaluations.pop()  # the last one stays the last one
            self._evaluated.pop()
        self._evaluations.append(event)
        self._evaluated.append(self._models.place(event.root))
        self._names[event.loader, event.name] = self._passes.of(event)
        self._judge(event.loader, event.name, event.step, event.loss, event.accuracy)

    def _on_predictions(self, event: Predictions) -> None:
        key = event.loader, event.name
        if key in self._latest or len(self._latest) < MOST_GROUPS:
            self._latest[key] = event
            if event.right is not None and event.task and len(self._right) < MOST_EVALUATIONS:
                self._right[event.loader, event.name, event.step] = event.right
            self._judge(*key, event.step, None, event.right)

    def _judge(self, loader: int, name: str, step: int, loss: float | None, accuracy: float | None) -> None:
        """Note the best pass: the lowest loss; where no pass has one, the highest accuracy. The two lines of a pass,
        of which each may have it, come in either order."""
        key = loader, name
        if loss is not None and loss == loss:
            score = False, loss
        elif accuracy is not None and accuracy == accuracy:
            score = True, -accuracy
        else:
            score = True, math.inf
        if score < self._lowest.get(key, ((True, math.inf), 0))[0]:
            self._lowest[key] = score, step
        latest, lowest = self._latest.get(key), self._lowest.get(key)
        if latest is not None and lowest is not None and latest.step == lowest[1]:
            self._best[key] = latest

    def _on_scalars(self, event: events.Scalars) -> None:
        for row in event.rows:
            column = logged_as(row.tag) if row.value is not None else None
            if column is not None and row.value is not None:
                self._spans.note(column, event.at, row.value)

    def _on_memory(self, event: events.Memory) -> None:
        self._peak_gpu[event.device] = max(self._peak_gpu.get(event.device, 0), event.peak)
        self._remember(f"{event.device} allocated", event.step, event.allocated)
        self._remember(f"{event.device} reserved", event.step, event.reserved)

    def _on_usage(self, event: Usage) -> None:
        self._peak_host = max(self._peak_host or 0, event.rss)
        self._remember("process", event.step, event.rss)

    def _remember(self, name: str, step: int, amount: int) -> None:
        if name in self._memory or len(self._memory) < MOST_GROUPS:
            self._memory.setdefault(name, Series(name, "memory")).append(step, float(amount))

    def _on_beginning(self, event: Beginning) -> None:
        self._seed = event.seed if 0 <= event.seed < UNSEEDED else None

    def result(self) -> Process | None:
        """What was collected; None for a process that never said hello."""
        if self._hello is None:
            return None
        spans = self._spans.closed()
        steps = self._steps
        return Process(
            file=self.file,
            rank=self.rank,
            hello=self._hello,
            losses={key: view for key, series in self._losses.items() if (view := series.view()).count},
            main_loss=_main_loss([(key, count) for span in spans for key, (_, count) in span.losses.items()]),
            lr=_view(self._lr),
            gradients={series.name: series.view() for _, series in sorted(self._gradients.items())},
            ends=_view(self._ends),
            memory={name: series.view() for name, series in sorted(self._memory.items())},
            spans=spans,
            evaluations=tuple(map(self._with_accuracy, self._evaluations)),
            evaluated=tuple(self._evaluated),
            names=self._names,
            left_out=self._left_out,
            loaders=dict(sorted(self._loaders.items())),
            steps_per_epoch=self.steps_per_epoch,
            trainings=trainings(self._models.all(), tuple(self._optimizers.values()), self._last_sampled, steps),
            last_answers=dict(sorted(self._latest.items())),
            best_answers=dict(sorted(self._best.items())),
            steps=steps,
            step_seconds=self._seconds,
            timed_steps=self._timed,
            waited=self._waited,
            first_step_at=self._first_at,
            last_step_at=self._last_at,
            peak_gpu=sum(self._peak_gpu.values()) or None,
            peak_host=self._peak_host,
            seed=self._seed,
        )

    def _with_accuracy(self, one: events.Evaluation) -> events.Evaluation:
        """The share of right answers, from the predictions of the pass where its own line has none."""
        right = self._right.get((one.loader, one.name, one.step))
        return one if one.accuracy is not None or right is None else replace(one, accuracy=right)


def _view(series: Series) -> SeriesView | None:
    view = series.view()
    return view if view.count else None


def logged_as(tag: str) -> str | None:
    """The column of the training log that a script's own value belongs into: `val/loss`, `Accuracy/valid`."""
    parts = [part for part in re.split(r"[^a-z0-9]+", tag.lower()) if part]
    for words in ("_".join(parts), "_".join(reversed(parts))):
        for column, pattern in _LOGGED.items():
            if pattern.fullmatch(words):
                return column
    return None


def _main_loss(counts: Iterable[tuple[str, int]]) -> str | None:
    """The series with the most values; of equals the first."""
    totals: dict[str, int] = {}
    for key, count in counts:
        totals[key] = totals.get(key, 0) + count
    return min(totals, key=lambda key: (-totals[key], len(key), key), default=None)
