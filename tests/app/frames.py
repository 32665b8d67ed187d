"""Frames made by hand, with every number fixed: what the panels are tested and looked at with."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from dlmon.app.source import Frame, OutputLines
from dlmon.checks.finding import ERROR, HINT, WARNING, Abstained, Finding, Judgement
from dlmon.state import snapshot as state
from dlmon.state.snapshot import (
    BarView,
    ChecklistItem,
    MachineView,
    ParameterView,
    Points,
    RankFacts,
    RankView,
    RunSnapshot,
    SeriesView,
    Timing,
)
from dlmon.view import View
from dlmon_probes import events

GIB = 1 << 30
NOW = 1_700_000_372.0
WHERE = events.Where("/home/me/stripes_cnn.py", 88, "train", "loss.backward()")


def series(count: int, *, name: str = "loss", start: float = 1.1, floor: float = 0.05, seed: int = 1) -> SeriesView:
    """A noisy falling loss of `count` steps, in at most 2,048 buckets as the state keeps it."""
    noise = random.Random(seed)
    values = [floor + start * math.exp(-i * 4 / max(count, 800)) * (1 + 0.25 * noise.gauss(0, 1)) for i in range(count)]
    width = 1
    while count / width > 2048:
        width *= 2
    groups = [values[i : i + width] for i in range(0, count, width)]
    mean = [sum(group) / len(group) for group in groups]
    smoothed, average = [], mean[0] if mean else 0.0
    for value in mean:
        average += 0.04 * (value - average)
        smoothed.append(average)
    points = Points(
        tuple(range(0, count, width)), tuple(map(min, groups)), tuple(map(max, groups)), tuple(mean),
        tuple(group[-1] for group in groups),
    )  # fmt: skip
    return SeriesView(
        name, "loss", WHERE, points, tuple(enumerate(values[:64])),
        tuple(zip(range(max(0, count - 512), count), values[-512:], strict=True)),
        values[-1] if values else None, max(0, count - 1), count, tuple(smoothed),
    )  # fmt: skip


def evaluation(steps: list[int], values: list[float], name: str = "val loss") -> SeriesView:
    points = Points(tuple(steps), tuple(values), tuple(values), tuple(values), tuple(values))
    recent = tuple(zip(steps, values, strict=True))
    return SeriesView(
        name, "evaluation", events.Where("/home/me/stripes_cnn.py", 120), points, recent, recent,
        values[-1], steps[-1], len(steps),
    )  # fmt: skip


def parameter(p: int, name: str, norm: float | None, **more: object) -> ParameterView:
    noise = random.Random(p)
    trend = tuple(None if norm is None else norm * math.exp(noise.gauss(0, 0.4)) for _ in range(30))
    made = ParameterView(
        p=p, name=name, module=name.rpartition(".")[0], shape=[16, 8], dtype="float32", requires_grad=True,
        optimizer=0, numel=128, step=1280, norm=norm, max_abs=norm, zeros=0.0, weight=1.84, update=1.1e-3,
        trend=trend, first_norm=norm, samples=30,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def parameters() -> tuple[ParameterView, ...]:
    return (
        parameter(0, "features.0.weight", 0.0712),
        parameter(1, "features.0.bias", 0.0123, weight=0.211, zeros=0.031),
        parameter(2, "features.3.weight", 2.1e-3, update=3.0e-8),
        parameter(3, "features.3.bias", 0.0, zeros=1.0, update=0.0),
        parameter(4, "classifier.weight", 0.412, weight=12.4),
        parameter(5, "classifier.bias", 0.101, weight=0.0831),
        parameter(6, "embedding.weight", None, samples=3, update=None, zeros=None, requires_grad=False),
    )


def smoke() -> tuple[ChecklistItem, ...]:
    return (
        ChecklistItem("data", "pass", "batch [0] 32×1×16×16 float32 0 … 1; [1] 32 int64 0 … 2"),
        ChecklistItem("forward", "pass", "output 32×3"),
        ChecklistItem("loss", "pass", "first loss 1.096, expected ln 3 = 1.099"),
        ChecklistItem("backward", "pass", "gradients 6 of 6"),
        ChecklistItem("clearing", "pass", "gradients cleared between steps"),
        ChecklistItem("step", "pass", "weights moved 6 of 6"),
        ChecklistItem("mode", "unknown", "no dropout or batch norm seen"),
        ChecklistItem("evaluation", "waiting", "first evaluation pass not seen yet"),
    )


def gpu(index: int = 0, **more: object) -> events.Gpu:
    made = events.Gpu(
        uuid=f"GPU-{index}", index=index, name="NVIDIA H200", total=141 * GIB, used=round(41.2 * GIB),
        own=round(40.9 * GIB), utilisation=0.87, power=512.0, power_limit=700.0, temperature=64.0, sm_clock=1980.0,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def machine(gpus: int = 1) -> MachineView:
    wave = [0.5 + 0.4 * math.sin(i / 5) for i in range(120)]
    host = events.Host(
        t=NOW, cpu=0.34, cores=16, ram_used=round(12.3 * GIB), ram_total=64 * GIB, load=5.2, disk_free=412 * GIB,
        disk_read=1.2e6, disk_write=3.1e5,
        processes=[
            events.ProcessRow(4242, "python", 1.03, round(1.2 * GIB), 12),
            events.ProcessRow(4250, "pt_data_worker", 0.41, round(0.4 * GIB), 2),
            events.ProcessRow(4251, "pt_data_worker", 0.38, round(0.4 * GIB), 2),
        ],
        gpus=[gpu(index) for index in range(gpus)],
        gpu_note="" if gpus else "no NVIDIA GPU on this machine: the training runs on the CPU",
    )  # fmt: skip
    memory = events.Memory(NOW, 1280, "cuda:0", 31 * GIB, round(40.4 * GIB), round(38.7 * GIB))
    return MachineView(
        host, wave, [0.19] * 120, {f"GPU-{i}": wave for i in range(gpus)}, {f"GPU-{i}": wave for i in range(gpus)},
        (memory,) if gpus else (),
    )  # fmt: skip


def running(step: int = 1284, *, gpus: int = 1, **more: object) -> RunSnapshot:
    """A healthy training in its third epoch."""
    bars = (
        BarView(0, events.Bar(NOW, 1, "epoch 3/10", 84, 400, "it", 212.0, 0.4, "loss=0.0711", 1)),
        BarView(0, events.Bar(NOW, 2, "epochs", 2, 10, "epoch", 0.5, 4.0, "", 0)),
    )
    governor = events.Governor(NOW, step, 0.01, 0.004, 20, step, step * 0.0047)
    rows = {"dt": [0.0047 + 0.0005 * math.sin(i) for i in range(min(step, 512))]}
    made = RunSnapshot(
        name="20260730-101112-stripes_cnn", folder="/runs/20260730-101112-stripes_cnn",
        command=("python", "/home/me/stripes_cnn.py", "--epochs", "10"), state=state.TRAINING, started=NOW - 372,
        elapsed=372.0, now=NOW, step=step, total_steps=4000, epoch="3/10", eta=790.0, world=1,
        timing=Timing(0.0047, 0.0061, 212.0, 6784.0, 0.021),
        ranks=(RankView(0, 4242, "node1", step, "training", NOW),),
        series=(
            series(step), evaluation([400, 800, 1200], [0.41, 0.18, 0.0832]),
            evaluation([400, 800, 1200], [0.8, 0.93, 0.98], "accuracy"),
        ),
        lr=3e-4, parameters=parameters(), parameters_step=1280, machine=machine(gpus), smoke=smoke(), bars=bars,
        facts={0: RankFacts(0, governor=governor, rows=rows)},
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def starting() -> RunSnapshot:
    return RunSnapshot(
        "20260730-101112-stripes_cnn",
        "/runs/x",
        ("stripes_cnn.py",),
        state.IMPORTING,
        started=NOW - 2,
        elapsed=2.0,
        now=NOW,
        smoke=(ChecklistItem("data", "waiting", "first batch not seen yet"),),
    )


def crash() -> events.Crash:
    facts = events.TensorFacts([32, 512], "float32")
    module = events.FailingModule(
        "fc1", "Linear", "in_features=400, out_features=10",
        [events.NamedTensor("weight", events.TensorFacts([10, 400], "float32"), "Parameter")],
        [events.NamedTensor("[0]", facts)],
    )  # fmt: skip
    frames = [
        events.Frame(events.Where("/home/me/stripes_cnn.py", 140, "<module>", "main()"), True),
        events.Frame(
            events.Where("/home/me/stripes_cnn.py", 41, "forward", "x = self.fc1(x.flatten(1))"), True,
            [events.NamedTensor("x", facts)],
        ),
        events.Frame(events.Where("/site-packages/torch/nn/modules/linear.py", 134, "forward", "return F.linear(…)")),
    ]  # fmt: skip
    message = "mat1 and mat2 shapes cannot be multiplied (32x512 and 400x10)"
    return events.Crash(NOW, 0, "RuntimeError", message, frames, "forward", module)


def dead() -> RunSnapshot:
    """A run that ended by a shape mismatch in its first forward."""
    return running(
        0, state=state.FAILED, detail="exit code 1", exit_code=1, elapsed=3.2, total_steps=None, epoch="", eta=None,
        series=(), parameters=(), bars=(), timing=Timing(), facts={0: RankFacts(0, crash=crash())},
    )  # fmt: skip


def findings() -> tuple[Finding, ...]:
    return (
        Finding(
            "loop.no_zero_grad", ERROR,
            "gradients pile up: nothing cleared them before the backwards of 5 of 5 sampled steps",
            "Call optimizer.zero_grad() before loss.backward().", 3, 0, WHERE, {"samples": 5, "norms": [0.1, 0.2, 0.3]},
        ),
        Finding(
            "grads.vanishing", WARNING, "features.3 learns 300 times slower than classifier (update ratio 3e-6)",
            "Look at the activation in front of it.", 220, 0, events.Where("/home/me/stripes_cnn.py", 41),
            {"ratio": 3e-6},
        ),
        Finding("loop.grad_in_eval", HINT, "evaluation records gradients", "Use torch.no_grad().", 400, 0, None),
    )  # fmt: skip


def crash_finding() -> Finding:
    return Finding(
        "crash.shape", ERROR, "fc1 expects 400 features and gets 512",
        "Set in_features of fc1 to 512: nn.Linear(512, 10). It is 8×8×8 after the last pooling.", 0, 0,
        events.Where("/home/me/stripes_cnn.py", 41, "forward", "x = self.fc1(x.flatten(1))"),
        {"expected": 400, "got": 512},
    )  # fmt: skip


def output(lines: int = 40) -> OutputLines:
    made = [f"epoch {i // 4 + 1}  batch {i % 4 * 100}  loss {1.1 / (1 + i):.4f}" for i in range(lines)]
    return OutputLines(tuple(made), lines, "")


def frame(snapshot: RunSnapshot | None = None, found: tuple[Finding, ...] = (), lines: int = 40) -> Frame:
    abstained = (
        Abstained("grads.exploding", "needs 20 sampled steps"),
        Abstained("amp.underflow", "no half precision"),
    )
    return Frame(View(snapshot or running(), Judgement(found, abstained)), output(lines))


def dead_frame() -> Frame:
    traceback = (
        "Traceback (most recent call last):", '  File "stripes_cnn.py", line 140, in <module>', "    main()",
        '  File "stripes_cnn.py", line 41, in forward', "    x = self.fc1(x.flatten(1))",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 400x10)",
    )  # fmt: skip
    return Frame(View(dead(), Judgement((crash_finding(),), ())), OutputLines(traceback, len(traceback), ""))
