"""Loops without a DataLoader: their batches repeat, or are replaced, where the script makes them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from dlmon_probes.stages.plan import Plan
from tests.probes.injected import Run, run_script
from tests.stages.staged import changes, ends

GPT = """
import math, torch, torch.nn as nn, torch.nn.functional as F
import numpy as np
torch.manual_seed(1337)
data = torch.from_numpy(np.random.RandomState(0).randint(0, 40, 4000).astype(np.int64))
block, batch = 16, 12

def get_batch(split):
    source = data[:3600] if split == "train" else data[3600:]
    ix = torch.randint(len(source) - block, (batch,))
    x = torch.stack([source[i:i + block] for i in ix])
    y = torch.stack([source[i + 1:i + 1 + block] for i in ix])
    return x, y

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.one, self.two = nn.LayerNorm(32), nn.LayerNorm(32)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32), nn.Dropout(0.1))
    def forward(self, x):
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        a = self.one(x)
        x = x + self.attention(a, a, a, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.two(x))

class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(40, 32), nn.Embedding(block, 32)
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(32, 40)
    def forward(self, ids, targets=None):
        x = self.blocks(self.tokens(ids) + self.places(torch.arange(ids.shape[1])))
        logits = self.head(x)
        loss = None if targets is None else F.cross_entropy(logits.view(-1, 40), targets.view(-1), ignore_index=-1)
        return logits, loss

model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

@torch.no_grad()
def estimate():
    model.eval()
    losses = torch.tensor([model(*get_batch("val"))[1].item() for _ in range(3)])
    model.train()
    return losses.mean().item()

X, Y = get_batch("train")
step = 0
while step < 400:
    if step % 50 == 0:
        print("val", estimate())
    for micro in range(ACCUMULATE):
        logits, loss = model(X, Y)
        X, Y = get_batch("train")
        (loss / ACCUMULATE).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    step += 1
"""

BY_HAND = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
X = torch.randn(640, 10)
Y = torch.randint(0, 3, (640,))
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(40):
    for i in range(0, len(X), 64):
        xb, yb = X[i:i + 64], Y[i:i + 64]
        loss = F.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = (model(X[:64]).argmax(1) == Y[:64]).float().mean().item()
    print("first rows", round(right, 2), X[0, 0].item())
"""

MINIBATCHES = """
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(0)
inputs = rng.normal(size=(500, 6)).astype(np.float32)
wanted = rng.normal(size=(500, 1)).astype(np.float32)
net = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(60):
    order = np.random.permutation(500)
    for start in range(0, 500, 50):
        chosen = order[start:start + 50]
        x = torch.from_numpy(inputs[chosen])
        y = torch.tensor(wanted[chosen])
        loss = ((net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def run(tmp_path: Path, source: str, plan: Plan) -> Run:
    return run_script(tmp_path, textwrap.dedent(source), DLMON_STAGE=plan.encoded(), DLMON_DEBUG="1")


def repeats(of: Run) -> tuple[int, int]:
    last = of.of("stage_data")[-1]
    return last["looks"], last["same"]


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_drawn_batch_is_drawn_again(tmp_path: Path, accumulate: int) -> None:
    done = run(tmp_path, GPT.replace("ACCUMULATE", str(accumulate)), Plan("overfit", steps=60))
    assert not done.of("probe_error")
    assert done.losses[-1] < 0.1 * done.losses[0]
    looks, same = repeats(done)
    assert looks >= 20
    assert same >= 0.8 * looks
    assert not any("indexing" in change for change in changes(done))


@pytest.mark.parametrize("source", [BY_HAND, MINIBATCHES], ids=["rows of a tensor", "rows of an array"])
def test_a_batch_indexed_by_hand_is_given_again(tmp_path: Path, source: str) -> None:
    done = run(tmp_path, source, Plan("overfit", steps=300))
    assert not done.of("probe_error")
    assert any("indexing" in change for change in changes(done))
    assert done.losses[-1] < 0.1 * done.losses[0]
    looks, same = repeats(done)
    assert looks - same <= 6
    if source is BY_HAND:  # what it evaluates on between its steps is its own
        assert len({line.split()[-1] for line in done.stdout.splitlines()}) == 1


def test_a_loop_without_modules_repeats(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "strangers" / "by_hand.py"
    done = run(tmp_path, source.read_text(), Plan("overfit", steps=60))
    assert not done.of("probe_error")
    looks, same = repeats(done)
    assert looks >= 20
    assert looks - same <= 6


@pytest.mark.parametrize(
    ("source", "roles"),
    [(GPT.replace("ACCUMULATE", "1"), {"tokens"}), (BY_HAND, {"input", "labels"}), (MINIBATCHES, {"input", "values"})],
    ids=["gpt", "rows of a tensor", "rows of an array"],
)
def test_synthetic_data_takes_the_place_of_what_the_script_makes(tmp_path: Path, source: str, roles: set[str]) -> None:
    done = run(tmp_path, source, Plan("engine", steps=300))
    assert not done.of("probe_error")
    data = done.of("stage_data")[-1]
    assert data["trouble"] == ""
    assert set(data["roles"].values()) == roles
    assert done.losses[-1] < 0.3 * done.losses[0]


def test_what_cannot_be_replaced_is_said(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import torch, torch.nn as nn
        x = torch.linspace(-1, 1, 100)[:, None]
        y = x ** 2
        net = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for epoch in range(100):
            loss = nn.functional.mse_loss(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
        Plan("engine", steps=300),
    )
    assert "data is made before" in done.of("stage_data")[-1]["trouble"]
    assert ends(done)[0]["reason"] == "not applicable"
