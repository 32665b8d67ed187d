"""What is logged of the rows, labels, data sets and first inputs of a real run; and the parts by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.training import batch_rows, copies, dataset_state, worker_random
from tests.probes.injected import run_script

torch = pytest.importorskip("torch")

SCRIPT = """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset, TensorDataset

    torch.manual_seed(0)

    class Drifting(Dataset):
        def __init__(self):
            self.signals = torch.randn(96, 12)
        def __len__(self):
            return 96
        def __getitem__(self, i):
            x = self.signals[i]
            x += 0.5
            return x, i // 32, float(i) + 0.25

    data = Drifting()
    train = DataLoader(data, batch_size=16)
    val = DataLoader(TensorDataset(torch.cat([torch.randn(30, 12), data.signals[:10]]), torch.arange(40) % 2), 20)
    net = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    opt = torch.optim.SGD(net.parameters(), lr=1e-3)
    state = None
    for epoch in range(4):
        for x, y, _ in train:
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        with torch.no_grad():
            for x, y in val:
                net(x)
    print(torch.randn(4).tolist(), loss.item())
"""


def test_facts_of_a_run(tmp_path: Path) -> None:
    run = run_script(tmp_path, SCRIPT)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    last = {row["loader"]: row for row in run.of("loader_rows")}
    train, val = last[0], last[1]
    assert train["trained"] and not val["trained"]
    assert (train["pulls"], train["batches"], train["rows"]) == (24, 24, 384)
    assert train["distinct"] == 384 and not train["same_batch"]  # the data set changes what it gives
    assert train["label_path"] == "[1]" and train["labels"] == {"0": 128, "1": 128, "2": 128}
    assert train["changes"] == 4 * 2  # sorted, four times over
    assert len(val["mean"]) == 12 and val["distinct"] == 40

    changes = run.of("dataset_change")
    assert [change["number"] for change in changes if change["path"] == "signals"] == [2, 3, 4]
    assert changes[-1]["changed"] == changes[-1]["again"] == 1.0 and changes[-1]["mean"] > changes[0]["mean"]
    (truncated,) = run.of("truncated")
    assert truncated["path"] == "[2]" and truncated["cut_max"] == 15 and truncated["facts"]["max"] == 15.25
    inputs = run.of("first_input")
    assert [(one["step"], one["module"], one["cls"]) for one in inputs] == [(i, "0", "Linear") for i in range(3)]
    assert inputs[0]["facts"]["shape"] == [16, 12] and inputs[0]["layers"] == ["Linear", "ReLU", "Linear"]

    plain = run_script(tmp_path, SCRIPT, plain=True)
    assert plain.stdout == run.stdout  # the same random numbers, and the same data


def test_equal_rows_have_equal_hashes() -> None:
    pictures = torch.rand(6, 3, 40, 40)
    pictures[4] = pictures[1]
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        hashes = batch_rows.row_hashes(pictures.to(dtype))
        assert hashes[4] == hashes[1] and len(set(hashes)) == 5
    assert batch_rows.row_hashes(pictures) == batch_rows.row_hashes(pictures.to(memory_format=torch.channels_last))
    assert len(set(batch_rows.row_hashes(torch.eye(64)))) == 64
    assert len(set(batch_rows.row_hashes(torch.arange(600).reshape(100, 6)))) == 100


@pytest.mark.parametrize(
    ("batch", "input", "label"),
    [
        ((torch.rand(8, 4), torch.arange(8)), "[0]", "[1]"),
        ([torch.arange(8), torch.rand(8, 4)], "[1]", "[0]"),
        ({"input_ids": torch.ones(8, 5).long(), "labels": torch.arange(8)}, "['input_ids']", "['labels']"),
        ((torch.rand(8, 4), torch.rand(8, 1)), "[0]", "[1]"),
        ((torch.rand(8, 4), torch.rand(8, 4)), "[0]", None),
        (torch.rand(8, 4), "", None),
    ],
)
def test_roles(batch: Any, input: str, label: str | None) -> None:
    roles = batch_rows.Roles(batch)
    assert roles.input is not None and roles.input.path == input
    assert (roles.label.path if roles.label else None) == label


def test_entropy_tells_rich_rows_from_poor_ones() -> None:
    assert batch_rows.entropy(torch.randn(64, 12)) > 60
    assert batch_rows.entropy(torch.randint(0, 2, (64, 12))) < 13
    assert batch_rows.entropy(torch.eye(64)) < 10  # one-hot: 6 bits in truth


def test_a_column_that_stands_for_the_label() -> None:
    labels = torch.arange(300) % 3
    table = torch.randn(300, 5)
    table[:, 2] = 7.0 - labels
    table[:, 4] = (labels == 1).float()  # tells one class only
    found = copies.Copies()
    for part in range(0, 300, 100):
        found.add(table[part : part + 100], labels[part : part + 100].tolist())
    assert found.columns == [2] and found.rows_judged == 300


def test_labels_of_a_subset_in_its_order() -> None:
    from torch.utils.data import Subset, TensorDataset

    data = TensorDataset(torch.rand(6, 2), torch.tensor([0, 0, 1, 1, 2, 2]))
    assert dataset_state.labels_in(data) == [0, 0, 1, 1, 2, 2]
    assert dataset_state.labels_in(Subset(data, [5, 0, 2])) == [2, 0, 1]
    assert dataset_state.labels_in(TensorDataset(torch.rand(6, 2), torch.rand(6))) is None


def test_seeds_that_do_not_look_at_the_worker() -> None:
    import random

    def fixed(worker: int) -> None:
        random.seed(0)

    def own(worker: int) -> None:
        random.seed(worker)

    def by_torch(worker: int) -> None:
        random.seed(torch.initial_seed())

    assert worker_random._fixed_seed(fixed) is not None
    assert worker_random._fixed_seed(own) is None and worker_random._fixed_seed(by_torch) is None


def test_generators_that_getitem_draws_from() -> None:
    import random

    class Kept:
        def __init__(self) -> None:
            self.rng = random.Random(0)

    class Drawn(Kept):
        def __getitem__(self, index: int) -> float:
            return self._noise()

        def _noise(self) -> float:
            return self.rng.random()

    class Made(Kept):
        def __getitem__(self, index: int) -> float:
            return float(index)

    found = worker_random._own_generator(Drawn())
    assert found is not None and found[:2] == ("generator", "rng")
    assert worker_random._own_generator(Made()) is None
