"""Synthetic runs: events with sensible defaults, and a run folder to write them into.

A test says what matters to it: `Story().model({"fc1.weight": [4, 8]}).loss([1.0, 0.9]).sample(step=0).snapshot()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmon.checks.finding import Finding
from dlmon.checks.registry import Judge
from dlmon.record.codec import encode_event
from dlmon.record.reader import Tagged
from dlmon.state.run_state import RunState
from dlmon.state.snapshot import RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Where

START = 1_700_000_000.0  # unix seconds at which every synthetic run begins
STEP = 0.1  # seconds per step
SCRIPT = "train.py"


def tensor(shape: Sequence[int], dtype: str = "float32", **facts: Any) -> events.TensorFacts:
    return events.TensorFacts(shape=list(shape), dtype=dtype, **facts)


def named(path: str, shape: Sequence[int], dtype: str = "float32", **facts: Any) -> events.NamedTensor:
    return events.NamedTensor(path, tensor(shape, dtype, **facts))


def at(line: int, text: str = "", file: str = SCRIPT, function: str = "main") -> Where:
    return Where(file, line, function, text)


def numel(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


class Story:
    """What one training process reported, told step by step. Every method but the last few returns the story."""

    def __init__(self, rank: int = 0, folder: Path = Path("/nonexistent/run")) -> None:
        self.rank, self.folder = rank, folder
        self.events: list[Any] = [events.Hello(t=START, schema=1, role="rank", pid=100 + rank, host="node", rank=rank)]
        self.host: list[Any] = [
            events.Hello(t=START, schema=1, role="supervisor", pid=99, host="node"),
            events.Launch(t=START, pid=100, command=["python", SCRIPT]),
        ]
        self.step = 0
        self._names: dict[str, int] = {}
        self._shapes: dict[str, list[int]] = {}

    @property
    def now(self) -> float:
        return START + 1 + self.step * STEP

    def add(self, *items: Any) -> Story:
        self.events += items
        return self

    def model(
        self,
        shapes: Mapping[str, Sequence[int]],
        *,
        optimizer: int | None = 0,
        frozen: Iterable[str] = (),
        root: int = 0,
    ) -> Story:
        """Parameters by name and shape. optimizer: index of the one that holds them."""
        rows = []
        for name, shape in shapes.items():
            p = self._names.setdefault(name, len(self._names))
            self._shapes[name] = list(shape)
            trained = name not in set(frozen)
            rows.append(
                events.Parameter(
                    p, name, list(shape), "float32", "cpu", trained, numel(shape), optimizer if trained else None
                )
            )
        return self.add(events.Model(t=self.now, root=root, cls="Net", parameters=rows))

    def optimizer(self, names: Iterable[str] | None = None, index: int = 0, lr: float = 0.1, line: int = 5) -> Story:
        held = [self._names[name] for name in (self._names if names is None else names)]
        group = events.OptimizerGroup(held, {"lr": lr})
        where = at(line, "opt = torch.optim.SGD(model.parameters(), lr=0.1)")
        return self.add(events.Optimizer(t=self.now, index=index, cls="SGD", groups=[group], where=where))

    def series(self, index: int = 0, name: str = "loss", line: int = 20) -> Story:
        return self.add(events.Series(t=self.now, series=index, name=name, where=at(line, f"{name}.backward()")))

    def losses(self, values: Sequence[float | None], series: int = 0, **columns: Any) -> Story:
        """Steps with these losses."""
        size = len(values)
        ends = [1 + (self.step + i) * STEP for i in range(size)]
        block: dict[str, Any] = {"wait": [0.01], "lr": [0.1], "micro": [1], "samples": [32]}
        block |= columns
        block.setdefault("dt", [STEP] * size)
        first, self.step = self.step, self.step + size
        return self.add(
            events.Steps(t=self.now, first=first, at=ends, loss={str(series): list(values)}, **block),
            events.Phase(t=self.now, name="training", step=self.step),
        )

    def sample(
        self,
        step: int,
        norm: Mapping[str, float | None] | float | None = 0.1,
        *,
        optimizer: int = 0,
        weight: float | Mapping[str, float] = 1.0,
        update: float | Mapping[str, float | None] | None = 1e-3,
        nonfinite: Mapping[str, int] | None = None,
        names: Iterable[str] | None = None,
    ) -> Story:
        """Gradients of a sampled step; a single number stands for every parameter."""
        rows = list(self._names if names is None else names)

        def column(value: Any) -> list[Any]:
            return [value.get(name, 0.1) if isinstance(value, Mapping) else value for name in rows]

        norms = column(norm)
        known = [n for n in norms if n is not None]
        bad = nonfinite or {}
        return self.add(
            events.Gradients(
                t=START + 1 + step * STEP,
                step=step,
                optimizer=optimizer,
                p=[self._names[name] for name in rows],
                norm=norms,
                max_abs=norms,
                zeros=[None if n is None else float(n == 0) for n in norms],
                nonfinite=[bad.get(name, 0) for name in rows],
                weight=column(weight),
                update=column(update),
                total=sum(n * n for n in known) ** 0.5 if known else None,
            )
        )

    def order(
        self,
        step: int,
        before: Sequence[float | None],
        after: float | None,
        at_step: float | None,
        previous: float | None = None,
        *,
        optimizer: int = 0,
        calls: Sequence[str] = ("zero_grad", "backward", "step"),
        held: int = 2,
        with_gradient: int = 2,
    ) -> Story:
        clearing = events.Clearing(optimizer, len(before), list(before), after, at_step, previous, held, with_gradient)
        made = [
            events.Call(op, 0 if op == "backward" else optimizer, at(18 + i, f"{op}()")) for i, op in enumerate(calls)
        ]
        return self.add(events.Order(START + 1 + step * STEP, step, made, [clearing]))

    def graph(
        self,
        nodes: Sequence[tuple[str, Sequence[int], Mapping[str, Any]]],
        *,
        value: float = 1.0,
        step: int = 0,
        series: int = 0,
        reached: Sequence[str] = (),
        losses: Sequence[events.LossFacts] = (),
        **facts: Any,
    ) -> Story:
        """nodes: (op, inputs, saved) with nodes[0] as the root."""
        return self.add(
            events.Graph(
                t=START + 1 + step * STEP,
                step=step,
                series=series,
                value=value,
                root_shape=[],
                nodes=[events.GraphNode(op, list(inputs), dict(saved)) for op, inputs, saved in nodes],
                reached=[self._names[name] for name in reached],
                losses=list(losses),
                **facts,
            )
        )

    def crash(self, type: str, message: str, *, line: int = 31, function: str = "forward", **facts: Any) -> Story:
        frames = facts.pop("frames", None) or [
            events.Frame(at(50), user=True),
            events.Frame(at(line, "x = self.fc1(x)", function=function), user=True),
            events.Frame(Where("/lib/torch/nn/functional.py", 99, "linear"), user=False),
        ]
        self.add(events.Crash(t=self.now, step=self.step, type=type, message=message, frames=frames, **facts))
        return self.exit(1)

    def exit(self, code: int = 0, signal: str = "") -> Story:
        self.host.append(events.Exit(t=self.now, code=code, seconds=self.now - START, signal=signal))
        return self

    def tagged(self) -> list[Tagged]:
        mine = [Tagged(f"rank{self.rank}.jsonl", self.rank, event) for event in self.events]
        host = [Tagged("host.jsonl", -1, event) for event in self.host]
        return sorted(host + mine, key=lambda tagged: tagged.event.t)

    def snapshot(self, now: float | None = None) -> RunSnapshot:
        """now: right after the last step, unless said otherwise."""
        state = RunState(self.folder)
        state.fold_all(self.tagged())
        return state.snapshot(self.now if now is None else now)

    def findings(self) -> list[Finding]:
        return list(Judge()(self.snapshot()).findings)

    def ids(self) -> list[str]:
        return [finding.id for finding in self.findings()]

    def write(self, folder: Path) -> Path:
        """The run as files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"rank{self.rank}.jsonl").write_bytes(b"".join(map(encode_event, self.events)))
        (folder / "host.jsonl").write_bytes(b"".join(map(encode_event, self.host)))
        return folder


def told(story: Story, id: str) -> Finding:
    """The finding of this id. Fails with what was found instead."""
    found = story.findings()
    for finding in found:
        if finding.id == id:
            return finding
    raise AssertionError(f"no {id} among {[(finding.id, finding.title) for finding in found]}")
