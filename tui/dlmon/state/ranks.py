"""What one training process reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlmon.state.gradients import GradientTable
from dlmon.state.kept import FirstLast
from dlmon.state.losses import StepColumns
from dlmon.state.predictions import PredictionsKept
from dlmon.state.progress import PassCounter
from dlmon.state.snapshot import RankFacts, RankView
from dlmon_probes import events
from dlmon_probes.events_predictions import Predictions
from dlmon_probes.kinds import KINDS

FURTHER = frozenset(KINDS.values()) - frozenset(events.KINDS.values())  # kept as they come, for the checks
FIRST, LAST = 32, 64  # sampled steps kept as they came
MOST_BARS = 64
MOST_EVALUATIONS = 256


class RankState:
    """The fold of one file."""

    def __init__(self, rank: int, file: str, most_buckets: int) -> None:
        self.rank, self.file = rank, file
        self.hello: events.Hello | None = None
        self.phase = events.Phase(t=0.0, name="")
        self.end: events.End | None = None
        self.crash: events.Crash | None = None
        self.written = 0.0  # unix seconds of the last line
        self.progressed = 0.0  # unix seconds at which something last moved on
        self.resumed = 0.0  # unix seconds of the end of the last pause
        self.columns = StepColumns(most_buckets)
        self.gradients = GradientTable()
        self.bars: dict[int, events.Bar] = {}
        self.evaluations: FirstLast[events.Evaluation] = FirstLast(FIRST, MOST_EVALUATIONS)
        self.predictions = PredictionsKept()
        self._models: dict[int, events.Model] = {}
        self._model_rows: tuple[events.Model, ...] = ()
        self._optimizers: dict[int, events.Optimizer] = {}
        self._orders: FirstLast[events.Order] = FirstLast(FIRST, LAST)
        self._samples: FirstLast[events.Gradients] = FirstLast(FIRST, LAST)
        self._modes: FirstLast[events.Modes] = FirstLast(FIRST, LAST)
        self._graphs: dict[int, FirstLast[events.Graph]] = {}
        self._loaders: dict[int, events.Loader] = {}
        self._batches: dict[int, FirstLast[events.Batch]] = {}
        self._first_activations: events.Activations | None = None
        self._last_activations: events.Activations | None = None
        self._governor: events.Governor | None = None
        self._heartbeat: events.Heartbeat | None = None
        self._errors: FirstLast[events.ProbeError] = FirstLast(FIRST, LAST)
        self._memory: dict[str, events.Memory] = {}
        self._stage: FirstLast[events.Stage] = FirstLast(FIRST, LAST)
        self._stage_data: events.StageData | None = None
        self._floors: FirstLast[events.LossFloor] = FirstLast(FIRST, LAST)
        self._checkpoints: FirstLast[events.Checkpoint] = FirstLast(FIRST, LAST)
        self._further: dict[str, FirstLast[Any]] = {}
        self._passes = PassCounter()
        self._facts: RankFacts | None = None
        self._fold: dict[type[Any], Callable[[Any], None]] = {
            events.Hello: self._on_hello,
            events.Phase: self._on_phase,
            events.Model: self._on_model,
            events.Optimizer: self._on_optimizer,
            events.Series: self.columns.site,
            events.Steps: self._on_steps,
            events.Gradients: self._on_gradients,
            events.Order: self._orders.append,
            events.Modes: self._modes.append,
            events.Graph: self._on_graph,
            events.Loader: self._on_loader,
            events.Batch: self._on_batch,
            events.Activations: self._on_activations,
            events.Evaluation: self._on_evaluation,
            Predictions: self.predictions.predictions,
            events.Bar: self._on_bar,
            events.Scalars: self.columns.scalars,
            events.Memory: self._on_memory,
            events.Crash: self._on_crash,
            events.Governor: self._on_governor,
            events.Heartbeat: self._on_heartbeat,
            events.ProbeError: self._errors.append,
            events.Control: self._on_control,
            events.Stage: self._stage.append,
            events.StageData: self._on_stage_data,
            events.LossFloor: self._floors.append,
            events.Checkpoint: self._checkpoints.append,
            events.End: self._on_end,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_facts": None}

    def fold(self, event: Any) -> None:
        handler = self._fold.get(type(event))
        if handler is not None:
            handler(event)
        elif type(event) in FURTHER:
            self._further.setdefault(type(event).kind, FirstLast(FIRST, LAST)).append(event)
        else:
            return
        self.written = max(self.written, event.t)
        self._facts = None

    @property
    def ended(self) -> bool:
        return self.end is not None or self.crash is not None

    @property
    def optimizers(self) -> tuple[events.Optimizer, ...]:
        return tuple(self._optimizers.values())

    @property
    def probe_errors(self) -> tuple[events.ProbeError, ...]:
        return self._errors.items()

    def passes(self) -> str:
        """Which pass over the training data is running, where the script shows no bar; "" if that cannot be told."""
        return self._passes.text()

    @property
    def memory(self) -> tuple[events.Memory, ...]:
        return tuple(self._memory.values())

    def _on_hello(self, event: events.Hello) -> None:
        if self.hello is None:
            self.hello = event

    def _on_phase(self, event: events.Phase) -> None:
        self.phase = event
        self._moved(event.t)

    def _on_model(self, event: events.Model) -> None:
        self._models[event.root] = event
        self._model_rows = tuple(self._models.values())
        self.gradients.model(event)

    def _on_optimizer(self, event: events.Optimizer) -> None:
        self._optimizers[event.index] = event
        self.gradients.optimizer(event)

    def _on_steps(self, event: events.Steps) -> None:
        self._passes.steps(event)
        self.columns.steps(event, self.hello.t if self.hello else event.t - (event.at[-1] if event.at else 0.0))
        self._moved(event.t)

    def _on_gradients(self, event: events.Gradients) -> None:
        self._samples.append(event)
        self.gradients.gradients(event)

    def _on_graph(self, event: events.Graph) -> None:
        if len(self._graphs) < FIRST or event.series in self._graphs:
            self._graphs.setdefault(event.series, FirstLast(2, 4)).append(event)

    def _on_loader(self, event: events.Loader) -> None:
        if len(self._loaders) < FIRST or event.loader in self._loaders:
            self._loaders[event.loader] = event
            self.columns.passes.loader(event)
            self._passes.loader(event)

    def _on_batch(self, event: events.Batch) -> None:
        if len(self._batches) < FIRST or event.loader in self._batches:
            self._batches.setdefault(event.loader, FirstLast(4, 8)).append(event)

    def _on_activations(self, event: events.Activations) -> None:
        if self._first_activations is None:
            self._first_activations = event
        self._last_activations = event

    def _on_stage_data(self, event: events.StageData) -> None:
        self._stage_data = event

    def _on_evaluation(self, event: events.Evaluation) -> None:
        self.evaluations.append(event)
        self.predictions.evaluation(event)
        self.columns.evaluation(event)
        self._moved(event.t)

    def _on_bar(self, event: events.Bar) -> None:
        before = self.bars.pop(event.bar, None)
        if before is None or before.n != event.n:
            self._moved(event.t)
        self.bars[event.bar] = event  # last: the most recent bars stay
        if len(self.bars) > MOST_BARS:
            oldest = next((bar for bar, state in self.bars.items() if state.closed), next(iter(self.bars)))
            del self.bars[oldest]

    def _on_memory(self, event: events.Memory) -> None:
        self._memory[event.device] = event

    def _on_crash(self, event: events.Crash) -> None:
        self.crash = event

    def _on_governor(self, event: events.Governor) -> None:
        self._governor = event

    def _on_heartbeat(self, event: events.Heartbeat) -> None:
        before = self._heartbeat
        if before is None or (before.step, before.backwards, before.phase) != (
            event.step,
            event.backwards,
            event.phase,
        ):
            self._moved(event.t)
        self._heartbeat = event

    def _on_control(self, event: events.Control) -> None:
        if event.action in ("paused", "resumed"):
            self.phase = events.Phase(t=event.t, name="paused" if event.action == "paused" else "training")
        if event.action == "resumed":
            self.resumed = event.t
        self._moved(event.t)

    def _on_end(self, event: events.End) -> None:
        self.end = event

    def _moved(self, t: float) -> None:
        self.progressed = max(self.progressed, t)

    def view(self) -> RankView:
        hello = self.hello
        return RankView(
            rank=self.rank,
            pid=hello.pid if hello else 0,
            host=hello.host if hello else "",
            step=self.columns.step,
            phase=self.phase.name,
            heartbeat=self.written,
            ended=self.ended,
            file=self.file,
        )

    def facts(self) -> RankFacts:
        """Everything for the checks; the same object until another event came."""
        if self._facts is None:
            self._facts = RankFacts(
                rank=self.rank,
                hello=self.hello,
                models=self._model_rows,
                optimizers=self.optimizers,
                series=dict(self.columns.sites),
                orders=self._orders.items(),
                gradients=self._samples.items(),
                modes=self._modes.items(),
                graphs=tuple(graph for kept in self._graphs.values() for graph in kept.items()),
                loaders=dict(self._loaders),
                batches=tuple(batch for kept in self._batches.values() for batch in kept.items()),
                first_activations=self._first_activations,
                last_activations=self._last_activations,
                crash=self.crash,
                governor=self._governor,
                heartbeat=self._heartbeat,
                probe_errors=self._errors.items(),
                memory=self.memory,
                rows=self.columns.rows(),
                stage=self._stage.items(),
                stage_data=self._stage_data,
                floors=self._floors.items(),
                checkpoints=self._checkpoints.items(),
                further={kind: kept.items() for kind, kept in self._further.items()},
            )
        return self._facts
