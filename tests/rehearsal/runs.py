"""Runs of stages as the verdicts see them, told step by step as in `tests.builders`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dlmon.checks.registry import Judge
from dlmon.rehearsal.report import Item, StageReport, WrittenFile
from dlmon.rehearsal.stage_run import StageRun
from dlmon.rehearsal.stages import Options
from dlmon.view import View
from dlmon_probes import events
from tests.builders import START, Story, named, tensor

LN3 = math.log(3)
WEIGHTS = {"conv.weight": (16, 1, 3, 3), "conv.bias": (16,), "fc.weight": (3, 512), "fc.bias": (3,)}


def decay(start: float, floor: float, steps: int, rate: float) -> list[float]:
    """A loss that loses `rate` of what is left to its floor at each step."""
    return [floor + (start - floor) * (1 - rate) ** step for step in range(steps)]


def classes_loss(labels: dict[str, int] | None = None, accuracy: float | None = None) -> events.LossFacts:
    return events.LossFacts(
        op="NllLossBackward0", prediction=tensor([32, 3]), target=tensor([32], "int64", min=0, max=2), classes=3,
        reduction=1, labels={"0": 11, "1": 11, "2": 10} if labels is None else labels, accuracy=accuracy,
    )  # fmt: skip


def classifier(
    losses: Sequence[float],
    *,
    accuracy: Sequence[float] = (),
    labels: dict[str, int] | None = None,
    shapes: dict[str, tuple[int, ...]] | None = None,
    lr: float = 1e-3,
) -> Story:
    """A classifier of three classes in training. accuracy: of the graphs that were read, spread over the steps."""
    story = Story().model(WEIGHTS if shapes is None else shapes).optimizer(lr=lr).series()
    batch = [named("[0]", [32, 1, 16, 16], min=-2.0, max=2.0), named("[1]", [32], "int64", min=0, max=2)]
    story.add(events.Loader(t=START, loader=0, dataset="Stripes", length=10, batch_size=32))
    story.add(events.Batch(t=START, step=0, loader=0, tensors=batch, structure="tuple of 2"))
    graphs = list(accuracy) or [None]
    for i, share in enumerate(graphs):
        step = i * max(1, len(losses) - 1) // max(1, len(graphs) - 1) if len(graphs) > 1 else 0
        story.graph(
            [("NllLossBackward0", [1], {}), ("LogSoftmaxBackward0", [2], {}), ("AddmmBackward0", [], {})],
            value=losses[0] if losses else LN3, step=step, reached=list(shapes or WEIGHTS),
            losses=[classes_loss(labels, share)],
        )  # fmt: skip
    return story.losses(losses, lr=[lr] * len(losses)) if losses else story


def healthy_steps(story: Story, steps: Sequence[int] = (0, 1), update: float = 1e-3) -> Story:
    """Sampled steps as a sound loop leaves them."""
    for step in steps:
        story.sample(step, update=update)
        story.order(step, [0.0], 0.3, 0.3, 0.3 if step else None, held=4, with_gradient=4)
    return story


def note(story: Story, action: str, reason: str = "", detail: str = "", name: str = "overfit", t: float = 0.0) -> Story:
    return story.add(events.Stage(t or story.now, name, action, story.step, reason, detail))


def floor(story: Story, value: float | None = 0.0, how: str = "hard labels", series: int = 0) -> Story:
    return story.add(events.LossFloor(START + 1, 0, series, value, how))


def repeated(story: Story, looks: int = 3, same: int = 3, **facts: Any) -> Story:
    return story.add(events.StageData(START + 1, 0, "repeated", "loader", looks=looks, same=same, **facts))


def synthetic(story: Story, **facts: Any) -> Story:
    return story.add(events.StageData(START + 1, -1, "synthetic", "loader", **facts))


def view_of(story: Story) -> View:
    snapshot = story.snapshot()
    return View(snapshot, Judge()(snapshot))


def stage_run(
    name: str,
    story: Story,
    *,
    options: Options | None = None,
    seconds: float = 3.1,
    earlier: Sequence[StageReport] = (),
    repeat: Story | None = None,
    files: Sequence[WrittenFile] = (),
    **facts: Any,
) -> StageRun:
    return StageRun(
        name, view_of(story), options or Options(), seconds, run=name, files=files,
        repeat=view_of(repeat) if repeat is not None else None,
        earlier={report.name: report for report in earlier}, **facts,
    )  # fmt: skip


def item(report: StageReport, name: str) -> Item:
    """The report's item of this name. Fails with the names that there are."""
    for found in report.items:
        if found.name == name:
            return found
    raise AssertionError(f"no item {name} among {[found.name for found in report.items]}")


def passed(name: str, **facts: Any) -> StageReport:
    return StageReport(name, "pass", "as it should", **facts)


def failed(name: str, **facts: Any) -> StageReport:
    return StageReport(name, "fail", facts.pop("summary", "as it should not"), **facts)
