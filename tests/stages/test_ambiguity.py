"""Rows that contradict each other: what no model can learn stays in the floor."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlmon_probes.stages.losses.ambiguity import floor_of_rows
from dlmon_probes.training.structures import Leaf


def test_rows_with_the_same_input_and_other_labels_leave_their_entropy() -> None:
    x = torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    y = torch.tensor([0, 0, 1, 1])
    logits = torch.zeros(4, 2, requires_grad=True)
    found = floor_of_rows(F.cross_entropy(logits, y), [Leaf("[0]", x)])
    assert found is not None
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert found[0] == pytest.approx(3 / 4 * entropy)
    assert "3 contradict" in found[1]


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_next_tokens_are_known_from_all_that_stands_before(factor: float) -> None:
    """The floor is what the best table from prefixes to next tokens reaches, in the loss's own scale."""
    torch.manual_seed(0)
    tokens = torch.randint(0, 2, (32, 9))
    x, y = tokens[:, :-1], tokens[:, 1:]
    keys = torch.tensor([[hash(tuple(row[: i + 1].tolist())) % 1_000_003 for i in range(8)] for row in x])
    _, place = torch.unique(keys, return_inverse=True)
    table = nn.Embedding(int(place.max()) + 1, 2)
    optimizer = torch.optim.LBFGS(table.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        return factor * F.cross_entropy(table(place).view(-1, 2), y.reshape(-1))

    found = floor_of_rows(loss(), [Leaf("[0]", x)])

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    assert found is not None
    assert found[0] == pytest.approx(float(loss().detach()), abs=2e-3)


def test_nothing_is_said_where_rows_differ_or_the_loss_has_other_parts() -> None:
    x = torch.arange(4.0).reshape(4, 1)
    y = torch.tensor([0, 1, 0, 1])
    logits = torch.zeros(4, 2, requires_grad=True)
    loss = F.cross_entropy(logits, y)
    assert floor_of_rows(loss, [Leaf("[0]", x)]) is None
    same = [Leaf("[0]", torch.zeros(4, 1))]
    assert floor_of_rows(F.cross_entropy(logits, y) + F.cross_entropy(logits * 2, y), same) is None
    assert floor_of_rows(F.cross_entropy(logits, y, weight=torch.tensor([1.0, 2.0])), same) is None
    assert floor_of_rows((logits**2).mean(), same) is None
    assert floor_of_rows(F.cross_entropy(logits, y), []) is None
