"""Which samples each batch was made of: what the probes know, beside what the data set itself puts into the batch."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.training import indices
from tests.probes.injected import run_script

torch = pytest.importorskip("torch")

HEAD = """
    import json, time
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset, WeightedRandomSampler
    from dlmon_probes.training import data, indices

    class Rows(Dataset):  # a sample is its own index
        def __init__(self, n=23, slow=False):
            self.n, self.slow = n, slow
        def __len__(self):
            return self.n
        def __getitem__(self, i):
            if self.slow and i % 4 == 0:
                time.sleep(0.02)
            return torch.tensor([float(i)])

    def known(loader, rows, back=0):
        [(agent, probe)] = data._probes.items()
        number = probe._loaders[id(loader)][1]
        return indices.indices_of_batch(agent, number, back), indices.indices_of_rows(agent, number, rows, back)

    def own(batch):
        return [int(x) for x in batch.flatten()]

    def watch(name, loader, epochs=2):
        found = []
        for epoch in range(epochs):
            for batch in loader:
                found.append([own(batch), *known(loader, len(batch))])
        print(json.dumps([name, found]))
"""


def names_of(run_stdout: str) -> dict[str, Any]:
    return dict(json.loads(line) for line in run_stdout.splitlines())


def test_every_batch_is_known_by_its_indices(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    torch.manual_seed(0)
    rows = Rows()
    watch("sequential", DataLoader(rows, batch_size=4))
    watch("shuffled", DataLoader(rows, batch_size=4, shuffle=True))
    watch("drop_last", DataLoader(rows, batch_size=4, shuffle=True, drop_last=True))
    watch("weighted", DataLoader(rows, batch_size=4, sampler=WeightedRandomSampler(torch.rand(23), 12)))
    watch("batch_sampler", DataLoader(rows, batch_sampler=BatchSampler(torch.randperm(23).tolist(), 5, False)))
    watch("tensors", DataLoader(rows, batch_size=4, sampler=torch.randperm(23)))
    watch("alone", DataLoader(rows, batch_size=None, shuffle=True))
    watch("workers", DataLoader(rows, batch_size=4, shuffle=True, num_workers=2))
    watch("persistent", DataLoader(rows, batch_size=4, shuffle=True, num_workers=2, persistent_workers=True), 3)
    watch("out_of_order", DataLoader(Rows(slow=True), batch_size=3, num_workers=2, in_order=False))

    class Reused:  # one list that is filled anew for each batch
        def __iter__(self):
            batch = []
            for i in range(0, 12, 3):
                batch[:] = [i, i + 1, i + 2]
                yield batch
    watch("reused", DataLoader(rows, batch_sampler=Reused()))

    subset = Subset(rows, list(range(22, 2, -2)))
    loader = DataLoader(subset, batch_size=4, shuffle=True)
    found = []
    for batch in loader:
        inner = known(loader, len(batch))[1]
        found.append([own(batch), [subset.indices[i] for i in inner], inner])
    print(json.dumps(["subset", found]))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    found = names_of(run.stdout)
    assert len(found) == 12
    for name, batches in found.items():
        assert len(batches) >= 3, name
        for own, drawn, rows in batches:
            assert drawn == own, name
            assert rows == own or name == "subset", name
    first_pass = [i for own, *_ in found["out_of_order"][:8] for i in own]
    assert sorted(first_pass) == list(range(23))


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(torch.arange(6.0))
    class Named(Rows):
        def __getitem__(self, key):
            return torch.tensor([float(len(key))])

    def longest_first(samples):
        return torch.stack(sorted(samples, key=lambda s: -s.item()))
    def drops_one(samples):
        return torch.stack(samples[1:])

    watch("stream", DataLoader(Stream(), batch_size=2))
    watch("stream_workers", DataLoader(Stream(), batch_size=2, num_workers=1))
    watch("keys", DataLoader(Named(), batch_size=2, sampler=["a", "bb", "ccc", "dddd"]))
    watch("sorting", DataLoader(Rows(), batch_size=4, collate_fn=longest_first))
    watch("dropping", DataLoader(Rows(), batch_size=4, collate_fn=drops_one))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    found = names_of(run.stdout)
    for name in ("stream", "stream_workers", "keys"):
        assert found[name] and all(drawn is None and rows is None for _, drawn, rows in found[name]), name
    for name in ("sorting", "dropping"):  # the set is known, the place of each in the batch is not
        assert found[name] and all(set(drawn) >= set(own) and rows is None for own, drawn, rows in found[name]), name


def test_prefetching_two_at_once_and_a_batch_that_raises(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    torch.manual_seed(0)
    class Broken(Rows):
        def __getitem__(self, i):
            if i == 5:
                raise ValueError("no such picture")
            return super().__getitem__(i)

    loader = DataLoader(Rows(), batch_size=4, shuffle=True, num_workers=1)
    batches = iter(loader)
    current, found = next(batches), []
    for following in batches:
        found.append([own(current), known(loader, len(current), back=1)[0]])
        current = following
    print(json.dumps(["ahead", found]))

    for name, workers in [("raises", 0), ("raises_workers", 2)]:
        loader, found = DataLoader(Broken(), batch_size=4, num_workers=workers), []
        batches = iter(loader)
        while True:
            try:
                batch = next(batches)
            except ValueError:
                continue
            except StopIteration:
                break
            found.append([own(batch), known(loader, len(batch))[0]])
        print(json.dumps([name, found]))

    a, b = DataLoader(Rows(), batch_size=4, shuffle=True), DataLoader(Rows(9), batch_size=2, num_workers=1)
    found = []
    for one, other in zip(a, b):
        found += [[own(one), known(a, len(one))[0]], [own(other), known(b, len(other))[0]]]
    print(json.dumps(["two", found]))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    for name, batches in names_of(run.stdout).items():
        assert len(batches) >= 5, name
        assert all(own == drawn for own, drawn in batches), name


def test_nothing_is_kept_of_iterators_that_are_gone(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    import gc
    gc.disable()
    loader = DataLoader(Rows(), batch_size=4)
    for epoch in range(50):
        for batch in loader:
            pass
        for batch in DataLoader(Rows(), batch_size=8):  # a loader for each epoch
            break
    (_, probe), = data._probes.items()
    del batch
    print(json.dumps([len(probe.indices._drawn), len(probe.indices._last)]))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    drawn, last = json.loads(run.stdout)
    assert drawn <= 1 and last <= 64


def test_the_order_is_the_programs_own(tmp_path: Path) -> None:
    source = """
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    torch.manual_seed(0)
    for workers in (0, 2):
        for (x,) in DataLoader(TensorDataset(torch.arange(20.0)), batch_size=3, shuffle=True, num_workers=workers):
            print(x.tolist())
    print(torch.rand(2).tolist())
    """
    assert run_script(tmp_path, source).stdout == run_script(tmp_path, source, plain=True).stdout != ""


def test_plain_numbers_of_what_samplers_give() -> None:
    assert indices.plain((3, 1)) == [3, 1]
    assert indices.plain(7) == [7]
    assert indices.plain(range(3)) == [0, 1, 2]
    assert indices.plain(torch.tensor([4, 2])) == [4, 2]
    assert indices.plain((torch.tensor(4), 5)) == [4, 5]
    for strange in ("a", ("a", 1), ((1, 2), (3, 4)), None, (None,), 1.5, True, torch.tensor([1.5]), torch.zeros(2, 2)):
        assert indices.plain(strange) is None, strange


def test_collate_functions_that_sort() -> None:
    class Sorts:
        def __call__(self, samples: list[Any]) -> list[Any]:
            return sorted(samples)

    class Keeps:
        def __call__(self, samples: list[Any]) -> Any:
            return torch.stack(samples)

        def sorting(self, samples: list[Any]) -> Any:
            return torch.stack(samples).argsort()

    assert indices.reorders(Sorts()) and indices.reorders(Keeps().sorting)
    assert indices.reorders(functools.partial(Keeps.sorting, None))
    assert not indices.reorders(Keeps()) and not indices.reorders(torch.utils.data.default_collate)
    assert not indices.reorders(len)
