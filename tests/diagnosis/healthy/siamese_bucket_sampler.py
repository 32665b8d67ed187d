"""Contrastive pairs with a bucketing batch sampler and namedtuple batches."""

import random
from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, Sampler

Pair = namedtuple("Pair", ["left", "right", "same", "lengths"])


class Signals(Dataset):
    def __init__(self, n, seed):
        self.rng = random.Random(seed)
        gen = torch.Generator().manual_seed(seed)
        self.items = []
        for _ in range(n):
            length = self.rng.choice([16, 24, 32])
            same = self.rng.random() < 0.5
            f1 = self.rng.choice([0.3, 0.7, 1.2, 2.0])
            f2 = f1 if same else self.rng.choice([f for f in [0.3, 0.7, 1.2, 2.0] if f != f1])
            t = torch.arange(length).float()
            a = torch.sin(f1 * t + self.rng.random() * 6) + 0.1 * torch.randn(length, generator=gen)
            b = torch.sin(f2 * t + self.rng.random() * 6) + 0.1 * torch.randn(length, generator=gen)
            self.items.append((a, b, float(same), length))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class BucketSampler(Sampler):
    def __init__(self, lengths, batch_size, shuffle=True):
        self.buckets = {}
        for i, l in enumerate(lengths):
            self.buckets.setdefault(l, []).append(i)
        self.batch_size, self.shuffle = batch_size, shuffle

    def __iter__(self):
        batches = []
        for bucket in self.buckets.values():
            idx = bucket[:]
            if self.shuffle:
                random.shuffle(idx)
            batches += [idx[i : i + self.batch_size] for i in range(0, len(idx), self.batch_size)]
        if self.shuffle:
            random.shuffle(batches)
        yield from batches

    def __len__(self):
        return sum(-(-len(b) // self.batch_size) for b in self.buckets.values())


def collate(items):
    a, b, s, l = zip(*items)
    return Pair(torch.stack(a).unsqueeze(1), torch.stack(b).unsqueeze(1), torch.tensor(s), list(l))


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 32, 7, padding=3)
        self.c2 = nn.Conv1d(32, 32, 5, padding=2)
        self.out = nn.Linear(32, 16)

    def forward(self, x):
        h = F.relu(self.c2(F.relu(self.c1(x)))).mean(-1)
        return self.out(h)


def contrastive(a, b, same, margin=1.0):
    d = F.pairwise_distance(a, b)
    return (same * d.pow(2) + (1 - same) * F.relu(margin - d).pow(2)).mean()


if __name__ == "__main__":
    random.seed(0)
    torch.manual_seed(0)
    tr, te = Signals(1600, 1), Signals(300, 2)
    train_loader = DataLoader(tr, batch_sampler=BucketSampler([x[3] for x in tr.items], 32), collate_fn=collate)
    test_loader = DataLoader(
        te, batch_sampler=BucketSampler([x[3] for x in te.items], 64, shuffle=False), collate_fn=collate
    )
    tower = Tower()
    optim = torch.optim.Adam(tower.parameters(), 2e-3)
    for ep in range(8):
        tower.train()
        for pair in train_loader:
            loss = contrastive(tower(pair.left), tower(pair.right), pair.same)
            optim.zero_grad()
            loss.backward()
            optim.step()
        tower.eval()
        ok = n = 0
        with torch.no_grad():
            for pair in test_loader:
                d = F.pairwise_distance(tower(pair.left), tower(pair.right))
                ok += ((d < 0.5) == pair.same.bool()).sum().item()
                n += len(d)
        print("epoch", ep, "last loss", round(loss.item(), 4), "test acc", round(ok / n, 4))
