"""A part of the training data: the same rows in every pass, in the length that loaders and ranks agree on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from dlmon_probes.stages.data import subset
from dlmon_probes.stages.plan import Plan


class Rows(Dataset[int]):
    def __init__(self, count: int = 1000) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> int:
        return row


class Told:
    """Stands where the agent is: keeps what is emitted."""

    def __init__(self) -> None:
        self.details: list[str] = []
        self.step = 0

    def emit(self, event: Any) -> None:
        self.details.append(event.detail)

    def report(self, probe: str, error: BaseException) -> None:
        raise error


@pytest.fixture
def installed() -> Iterator[tuple[subset.Subset, Told]]:
    init, own = DataLoader.__init__, DataLoader.__dict__["_index_sampler"]
    told = Told()
    agent: Any = told
    yield subset.install(agent, Plan("subset", fraction=0.1)), told
    DataLoader.__init__ = init  # type: ignore[method-assign]
    DataLoader._index_sampler = own  # type: ignore[method-assign]


def rows_of(loader: Any) -> list[int]:
    return [int(row) for batch in loader for row in batch]


Installed = tuple[subset.Subset, Told]


def test_a_shuffled_loader_draws_the_same_tenth_in_another_order(installed: Installed) -> None:
    loader = DataLoader(Rows(), batch_size=8, shuffle=True)
    assert len(loader) == 13
    first, second = rows_of(loader), rows_of(loader)
    assert len(first) == 100
    assert set(first) == set(second)
    assert first != second
    assert max(first) > 800  # of all the data, not its beginning
    assert rows_of(DataLoader(Rows(), batch_size=50, shuffle=True)) != first
    assert set(rows_of(DataLoader(Rows(), batch_size=50, shuffle=True))) == set(first)
    assert installed[1].details[0] == f"loader 0 (test_subset.py:{LINE}): 100 of 1,000 samples"
    assert installed[0].limit_for(loader) is None


LINE = test_a_shuffled_loader_draws_the_same_tenth_in_another_order.__code__.co_firstlineno + 1


def test_workers_and_dropped_rests_agree_with_the_length(installed: Installed) -> None:
    loader = DataLoader(Rows(), batch_size=8, shuffle=True, num_workers=2, drop_last=True)
    batches = list(loader)
    assert len(loader) == len(batches) == 12
    assert all(len(batch) == 8 for batch in batches)


def test_two_batches_are_the_least(installed: Installed) -> None:
    assert len(rows_of(DataLoader(Rows(100), batch_size=32, shuffle=True))) == 64
    assert len(rows_of(DataLoader(Rows(40), batch_size=32, shuffle=True))) == 40


def test_evaluation_is_whole(installed: Installed) -> None:
    assert len(rows_of(DataLoader(Rows(), batch_size=100))) == 1000
    shuffled = DataLoader(Rows(), batch_size=100, shuffle=True)
    with torch.no_grad():
        assert len(rows_of(shuffled)) == 1000
    assert not installed[1].details


def test_weights_and_given_indices_are_respected(installed: Installed) -> None:
    weights = [0.0] * 500 + [1.0] * 500
    weighted = DataLoader(Rows(), batch_size=10, sampler=WeightedRandomSampler(weights, 1000))
    drawn = rows_of(weighted)
    assert len(drawn) == len(weighted) * 10 == 100
    assert min(drawn) >= 500
    assert len(set(drawn)) <= 50
    given = DataLoader(Rows(), batch_size=5, sampler=SubsetRandomSampler(range(0, 1000, 2)))
    drawn = rows_of(given)
    assert len(drawn) == len(set(drawn)) == 50
    assert all(row % 2 == 0 for row in drawn)


def test_drawing_with_replacement_keeps_its_length(installed: Installed) -> None:
    sampler = RandomSampler(Rows(100), replacement=True, num_samples=5000)
    assert len(rows_of(DataLoader(Rows(100), batch_size=10, sampler=sampler))) == 500


def test_the_scripts_random_numbers_go_on_as_without_us(installed: Installed) -> None:
    def after(loader: Any) -> torch.Tensor:
        torch.manual_seed(5)
        list(loader)
        return torch.rand(1)

    part = after(DataLoader(Rows(), batch_size=8, shuffle=True))
    with torch.no_grad():
        whole = after(DataLoader(Rows(), batch_size=8, shuffle=True))
    assert torch.equal(part, whole)


def test_ranks_draw_equally_many_rows_and_none_twice(installed: Installed) -> None:
    ranks = []
    for rank in range(3):
        sampler = DistributedSampler(Rows(1000), num_replicas=3, rank=rank, shuffle=True)
        loader = DataLoader(Rows(1000), batch_size=8, sampler=sampler)
        sampler.set_epoch(0)
        first = rows_of(loader)
        sampler.set_epoch(1)
        assert rows_of(loader) != first
        assert len(loader) == -(-len(first) // 8)
        ranks.append(first)
    assert [len(rows) for rows in ranks] == [34, 34, 34]
    assert len(set().union(*ranks)) == 102


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from range(100_000)


class OwnSampler(BatchSampler):
    pass


def test_what_has_no_order_to_draw_from_is_cut_by_batches(installed: Installed) -> None:
    part, told = installed
    sequential = DataLoader(Rows(), batch_size=10)
    own = DataLoader(Rows(), batch_sampler=OwnSampler(SequentialSampler(Rows()), 100, False))
    stream = DataLoader(Stream(), batch_size=10)
    assert len(rows_of(sequential)) == 1000
    assert [part.limit_for(loader) for loader in (sequential, own, stream)] == [10, 2, subset.UNKNOWN_LENGTH]
    assert part.limit_for(sequential) == 10
    told_of = [detail.split(": ")[1] for detail in told.details]
    assert told_of == [
        "10 of 100 batches in each pass",
        "2 of 10 batches in each pass",
        "100 of an unknown number of batches in each pass",
    ]


def test_a_subclass_with_other_arguments_still_works(installed: Installed) -> None:
    class Loader(DataLoader[int]):
        @functools.wraps(DataLoader.__init__)
        def __init__(self, count: int) -> None:
            super().__init__(Rows(count), batch_size=10, shuffle=True)

    assert len(rows_of(Loader(1000))) == 100
