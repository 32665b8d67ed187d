"""Loaders, batches and waiting time, as real scripts log them; and the walk through nested batches by itself."""

from __future__ import annotations

from collections import UserDict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.training import structures
from tests.probes.injected import run_script

torch = pytest.importorskip("torch")

LOADERS = """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    torch.manual_seed(0)

    class Pictures(Dataset):
        def __init__(self, n):
            self.n = n
        def __len__(self):
            return self.n
        def __getitem__(self, i):
            return {"image": torch.full((1, 4, 4), float(i)), "label": i % 3, "name": f"picture {i}"}

    train = DataLoader(Pictures(40), batch_size=8, shuffle=True, num_workers=2)
    val = DataLoader(Pictures(6), batch_size=3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    opt = torch.optim.SGD(net.parameters(), lr=1e-4)
    for epoch in range(2):
        for batch in train:
            loss = nn.functional.cross_entropy(net(batch["image"]), batch["label"])
            opt.zero_grad()
            loss.backward()
            opt.step()
        net.eval()
        for batch in val:  # pulled with gradients on, as trainers do
            with torch.no_grad():
                net(batch["image"])
        net.train()
        print(epoch, loss.item())
"""


def test_loaders_and_batches(tmp_path: Path) -> None:
    run = run_script(tmp_path, LOADERS)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    train, val = run.of("loader")
    assert (train["dataset"], train["length"], train["samples"]) == ("Pictures", 5, 40)
    assert (train["batch_size"], train["workers"], train["sampler"]) == (8, 2, "RandomSampler")
    assert train["where"]["text"].startswith("train = DataLoader(") and train["where"]["line"] > 0
    assert (val["length"], val["sampler"], val["workers"]) == (2, "SequentialSampler", 0)

    first = next(batch for batch in run.of("batch") if batch["loader"] == 0)
    assert first["structure"] == "dict(image: 8×1×4×4 float32, label: 8 int64, name: list(str, str, str, str, " + (
        "str, str, str, str))"
    )
    image, label = first["tensors"]
    assert (image["path"], image["facts"]["shape"]) == ("['image']", [8, 1, 4, 4])
    assert 0 <= image["facts"]["min"] <= image["facts"]["max"] <= 39
    assert (label["path"], label["facts"]["dtype"], label["facts"]["unique"]) == ("['label']", "int64", 3)
    assert any(batch["loader"] == 1 for batch in run.of("batch"))

    # Loader workers are forked from this process and must write nothing of their own.
    assert [path.name for path in run.folder.glob("rank*.jsonl")] == ["rank0.jsonl"]


def test_samples_of_a_step_are_the_training_batch_alone(tmp_path: Path) -> None:
    run = run_script(tmp_path, LOADERS)
    samples: list[int | None] = []
    waits: list[float] = []
    for block in run.of("steps"):
        count = len(block["at"])
        samples += block["samples"] * count if len(block["samples"]) == 1 else block["samples"]
        waits += block["wait"] * count if len(block["wait"]) == 1 else block["wait"]
    assert samples == [8] * 10  # not 8 and the 6 of the evaluation between two epochs
    assert len(waits) == 10 and all(wait > 0 for wait in waits)


def test_without_a_loader_the_batch_is_what_the_model_was_called_with(tmp_path: Path) -> None:
    source = """
        import torch
        from torch import nn
        net = nn.Linear(4, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            x = torch.arange(12.0).reshape(3, 4)
            net(x).sum().backward()
            opt.step()
    """
    run = run_script(tmp_path, source)
    batch = run.of("batch")[0]
    assert (batch["loader"], batch["structure"]) == (-1, "tuple(3×4 float32)")
    facts = batch["tensors"][0]["facts"]
    assert (facts["min"], facts["max"], facts["mean"], facts["integers"]) == (0.0, 11.0, 5.5, True)


def test_the_same_loader_made_anew_is_one_loader(tmp_path: Path) -> None:
    source = """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        data = TensorDataset(torch.ones(8, 4))
        net = nn.Linear(4, 1)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            for (x,) in DataLoader(data, batch_size=4, pin_memory=True):
                net(x).sum().backward()
                opt.step()
    """
    run = run_script(tmp_path, source)
    assert run.one("loader")["loader"] == 0
    assert "dlmon" not in run.stderr  # torch warns with its caller's place where there is no accelerator


# ---------------------------------------------------------------- structures


@dataclass
class Item:
    image: Any
    label: Any


class Hostile:
    """Runs code of its own when it is looked at carelessly."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def __len__(self) -> int:
        raise AssertionError("measured")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def test_leaves_are_found_in_every_kind_of_container() -> None:
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    pair = namedtuple("pair", "image label")

    def paths(thing: Any) -> list[str]:
        return [leaf.path for leaf in structures.leaves(thing)]

    assert paths(x) == [""]
    assert paths([x, (y,)]) == ["[0]", "[1][0]"]
    assert paths({"a": x, "b": {"c": y}, "d": "text", "e": None}) == ["['a']", "['b']['c']"]
    assert paths(pair(x, y)) == [".image", ".label"]
    assert paths(Item(x, y)) == [".image", ".label"]
    assert paths(UserDict(input_ids=y)) == ["['input_ids']"]
    assert paths(Hostile(x)) == [".tensor"]


def test_the_walk_is_bounded() -> None:
    x = torch.zeros(1)
    assert len(structures.leaves([x] * 1000)) == structures.MOST_LEAVES
    loop: list[Any] = [x]
    loop.append(loop)
    assert len(structures.leaves(loop)) <= structures.DEEPEST
    assert structures.leaves(list(range(10_000))) == []


def test_rows_and_description() -> None:
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    assert structures.rows((x, y)) == 2
    assert structures.rows({"x": x}) == 2
    assert structures.rows([torch.zeros(3, 5, n) for n in range(1, 5)]) == 4  # images of different sizes
    assert structures.rows("text") is None
    assert structures.describe((x, y)) == "tuple(2×3 float32, 2 int64)"
    assert structures.describe(Item(x, 1)) == "Item(image: 2×3 float32, label: int)"
    assert structures.describe(torch.zeros(())) == "scalar float32"


def test_the_batch_behind_a_loss_that_is_not_finite_is_described(tmp_path: Path) -> None:
    run = run_script(
        tmp_path,
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        x = torch.ones(80, 4); x[33, 2] = float("nan")
        net = torch.nn.Linear(4, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
        for (batch,) in DataLoader(TensorDataset(x), batch_size=8):
            optimizer.zero_grad(); net(batch).pow(2).mean().backward(); optimizer.step()
        """,
        DLMON_OVERHEAD="0.0001",
    )
    shares = {event["step"]: event["tensors"][0]["facts"]["nonfinite"] for event in run.of("batch")}
    assert shares[4] == 1 / 32
