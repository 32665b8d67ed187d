"""Runs for packs: written event by event, so that every number in a pack can be told beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlmon.record.manifest import Environment, Manifest, Outcome, write_manifest
from dlmon.report.collect import collect
from dlmon.report.contents import Contents, contents
from dlmon.report.evidence import Evidence
from dlmon_probes import events
from dlmon_probes.events_loop import Beginning
from dlmon_probes.events_machine import Usage
from dlmon_probes.events_predictions import CLASSES, Predictions, Sample
from tests.builders import START, Story, at, tensor

LAYERS = {"conv.weight": [4, 1, 3, 3], "head.weight": [3, 64], "head.bias": [3]}  # 36 + 192 + 3 numbers
PER_EPOCH = 10
NO_TORCH = ("not checked", "there is no torch in this environment")


def evaluation(story: Story, loss: float | None, accuracy: float | None, loader: int = 1, **facts: Any) -> Story:
    return story.add(
        events.Evaluation(
            t=story.now, step=story.step, batches=2, samples=50, seconds=0.02, loader=loader, loss=loss,
            accuracy=accuracy, **facts,
        )
    )  # fmt: skip


def loader(number: int, name: str, length: int | None = 5) -> events.Loader:
    return events.Loader(
        t=START + 0.5, loader=number, dataset="Digits", length=length, samples=None if length is None else 32 * length,
        batch_size=32, sampler="RandomSampler", where=at(9 + number, f"{name} = DataLoader(data, batch_size=32)"),
    )  # fmt: skip


def classifier(folder: Path, *, epochs: int = 3, cls: str = "TinyCNN", base: float = 1.0) -> Story:
    """Ten steps an epoch with losses base, base - 0.01, …; a validation pass after each, and a test pass at the end."""
    story = Story(folder=folder).add(
        loader(0, "train_loader", PER_EPOCH), loader(1, "val_loader"), loader(2, "test_loader"),
        Beginning(t=START + 0.9, step=0, seed=42),
    )  # fmt: skip
    story.series().model(LAYERS).optimizer()
    story.events = [_renamed(event, cls) for event in story.events]
    story.add(events.Activations(t=story.now, step=0, modules=[
        events.Activation("", cls, [[32, 1, 8, 8]], [[32, 3]], leaf=False),
        events.Activation("conv", "Conv2d", [[32, 1, 8, 8]], [[32, 4, 4, 4]], tensor([32, 4, 4, 4], mean=0.1, std=1.0)),
    ]))  # fmt: skip
    for epoch in range(epochs):
        story.losses([base - 0.01 * (story.step + i) for i in range(PER_EPOCH)])
        story.sample(story.step - 1, 0.5)
        story.add(Usage(t=story.now, step=story.step, rss=(300 + epoch) << 20))
        evaluation(story, base - 0.1 * (epoch + 1), 0.5 + 0.1 * epoch)
    evaluation(story, base - 0.25, 0.75, loader=2)
    story.host.append(
        events.Host(t=START + 1, cpu=0.5, cores=2, ram_used=4 << 30, ram_total=16 << 30, gpu_note="no NVIDIA GPU")
    )
    story.host.append(events.Host(t=START + 3, cpu=0.7, cores=2, ram_used=5 << 30, ram_total=16 << 30))
    return story


def _renamed(event: Any, cls: str) -> Any:
    if not isinstance(event, events.Model):
        return event
    children = ("Flatten", "Linear") if cls == "Sequential" else ()
    rows = [events.ModuleRow(str(place), child, True) for place, child in enumerate(children)]
    return events.Model(t=event.t, root=event.root, cls=cls, parameters=event.parameters, modules=rows)


def predictions(story: Story, loader: int = 2, **facts: Any) -> Predictions:
    """Three classes; 3 and 8 mistaken for each other most of the time."""
    given: dict[str, Any] = {
        "task": CLASSES, "samples": 50, "looked_at": 50, "classes": 3, "class_names": ["3", "8", "=1+1"],
        "confusion": [[0, 0, 16], [0, 1, 4], [1, 0, 3], [1, 1, 12], [1, 2, 1], [2, 2, 14]], "right": 0.84,
        "top": {"1": 0.84}, "confidence_bins": [[50, 42, 45.0]],
        "wrong": [
            Sample(3, 103, 0, 1, 0.97, 0.02), Sample(9, 7, 1, 0, 0.55, 0.44), Sample(11, None, 1, 2, 0.6, 0.35),
            Sample(12, 5, 1, 2, 0.4, 0.2),
        ],
    }  # fmt: skip
    return Predictions(t=story.now, step=story.step, loader=loader, **(given | facts))


def write(story: Story, folder: Path, *, outcome: Outcome | None = None, **fields: Any) -> Path:
    """The story as a run folder with its manifest. The working folder is an empty one beside it."""
    folder.mkdir(parents=True)
    work = folder.parent / "work"
    work.mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "argv": ["train.py", "--lr", "0.1"], "cwd": str(work), "created": START, "dlmon": "0.1.0", "outcome": outcome,
        "name": folder.name, "environment": Environment(["OMP_NUM_THREADS"], {"OMP_NUM_THREADS": "1"}),
    }  # fmt: skip
    write_manifest(folder, Manifest(**(given | fields)))
    return story.write(folder)


def finished(tmp_path: Path, name: str = "cnn", **options: Any) -> Path:
    story = classifier(tmp_path / name, **options)
    return write(story.add(predictions(story)).exit(0), tmp_path / name)


def pack_of(*folders: Path, **options: Any) -> Contents:
    found: Sequence[Evidence] = [collect(folder) for folder in folders]
    return contents(found, load=lambda path: NO_TORCH, **options)


def rows_of(data: bytes) -> list[Mapping[str, str]]:
    import csv
    import io

    return list(csv.DictReader(io.StringIO(data.decode())))
