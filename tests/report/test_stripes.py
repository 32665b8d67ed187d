"""The golden pack: real trainings of the stripes task, and the README's command run again."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Dlmon

SAMPLE = Path(__file__).parents[2] / "sample_tasks" / "stripes_cnn.py"
SIZE = ("--epochs", "4", "--train-size", "3000")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("report-stripes")]


def named(command: Dlmon, name: str) -> str:
    """The run that was started with this name: its time stands in front."""
    (found,) = command.runs.glob(f"*-{name}")
    return found.name


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dlmon, Path]]:
    """The network and the baseline were trained, and a pack was made of both."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("stripes")
    command = Dlmon(folder)
    shutil.copy(SAMPLE, folder)
    for name, model in (("cnn", "cnn"), ("flat", "linear")):
        done = command("--headless", "--name", name, SAMPLE.name, "--model", model, *SIZE)
        assert done.returncode == 0, done.stderr
    done = command("report", named(command, "cnn"), named(command, "flat"), "-o", "pack")
    assert done.returncode == 0, done.stderr
    yield command, folder / "pack"
    command.clean_up()


def rows(pack: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((pack / "outputs" / name).read_text())))


def test_the_tiny_network_beats_the_baseline(trained: tuple[Dlmon, Path]) -> None:
    network, baseline = rows(trained[1], "model_comparison.csv")
    assert network["name"] == "TinyCNN" and baseline["name"] == "Sequential(Flatten, Linear)"
    assert float(network["best_val_loss"]) < 0.7 * float(baseline["best_val_loss"])
    assert float(network["best_val_accuracy"]) > float(baseline["best_val_accuracy"]) + 0.2
    assert int(network["parameters"]) == 6435 and int(baseline["parameters"]) == 771


def test_the_training_log(trained: tuple[Dlmon, Path]) -> None:
    log = rows(trained[1], "training_log.csv")
    assert [(row["step"], row["epoch"]) for row in log] == [(str(94 * n), str(n)) for n in range(1, 5)]
    assert all(float(row["val_loss"]) > 0 and 0 < float(row["val_accuracy"]) < 1 for row in log)
    assert float(log[-1]["train_loss"]) < float(log[0]["train_loss"])
    output = (trained[0].runs / named(trained[0], "cnn") / "output.log").read_text()
    printed = re.findall(r"epoch \d+: train loss ([\d.]+), val loss ([\d.]+)", output)
    assert [f"{float(row['val_loss']):.4f}" for row in log] == [validation for _, validation in printed]
    # The script weighs the last, smaller batch by its size.
    assert [float(row["train_loss"]) for row in log] == pytest.approx([float(mean) for mean, _ in printed], rel=0.01)


def test_classes_and_mistakes(trained: tuple[Dlmon, Path]) -> None:
    matrix = list(csv.reader((trained[1] / "outputs/confusion_matrix.csv").read_text().splitlines()))
    assert len(matrix) == 4 and len(matrix[0]) == 4
    counts = [[int(cell) for cell in row[1:]] for row in matrix[1:]]
    summary = json.loads((trained[1] / "outputs/metrics_summary.json").read_text())
    right = sum(counts[place][place] for place in range(3)) / sum(map(sum, counts))
    assert right == pytest.approx(summary["test"]["last"]["accuracy"], abs=1e-6)
    mistakes = rows(trained[1], "error_samples.csv")
    assert mistakes and all(row["actual"] != row["predicted"] and row["dataset_index"] for row in mistakes)
    sure = [float(row["confidence"]) for row in mistakes]
    assert 0.3 < sure[-1] <= sure[0] <= 1


def test_the_checkpoint(trained: tuple[Dlmon, Path]) -> None:
    row = json.loads((trained[1] / "checkpoints/best.json").read_text())
    assert row["path"] == "outputs/stripes_cnn.pt" and row["loads"] == "yes" and len(row["sha256"]) == 64


def test_the_command_in_the_readme_gives_the_same_numbers(trained: tuple[Dlmon, Path]) -> None:
    command, pack = trained
    readme = (pack / "README.md").read_text()
    typed = re.search(r"```sh\n(.*)\n```", readme)
    assert typed is not None
    program, *arguments = shlex.split(typed.group(1))
    assert program == "dlmon"
    done = command("--headless", "--name", "again", *arguments)
    assert done.returncode == 0, done.stderr
    assert command("report", named(command, "again"), "-o", "second").returncode == 0
    numbers = ("step", "epoch", "train_loss", "val_loss", "val_accuracy", "lr")
    first, second = rows(pack, "training_log.csv"), rows(pack.parent / "second", "training_log.csv")
    assert [[row[name] for name in numbers] for row in first] == [[row[name] for name in numbers] for row in second]
    assert (pack / "outputs/confusion_matrix.csv").read_bytes() == (
        pack.parent / "second/outputs/confusion_matrix.csv"
    ).read_bytes()
