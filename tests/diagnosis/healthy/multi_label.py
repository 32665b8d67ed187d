"""Multi-label tags with rare positives."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(5)
N_TAGS = 6


class TagDataset(Dataset):
    def __init__(self, n):
        self.base = torch.randn(N_TAGS, 30)
        g = torch.Generator().manual_seed(77)
        self.base = torch.randn(N_TAGS, 30, generator=g)
        self.tags = (torch.rand(n, N_TAGS) < torch.tensor([0.5, 0.4, 0.3, 0.2, 0.15, 0.1])).float()
        self.x = self.tags @ self.base + 0.7 * torch.randn(n, 30)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return dict(inputs=dict(x=self.x[i]), labels=self.tags[i], name=f"item{i}")


def collate(rows):
    return {
        "inputs": {"x": torch.stack([r["inputs"]["x"] for r in rows])},
        "labels": torch.stack([r["labels"] for r in rows]),
        "names": [r["name"] for r in rows],
    }


train = TagDataset(2400)
valid = TagDataset(400)
pos_weight = (1 - train.tags.mean(0)) / train.tags.mean(0)
model = nn.Sequential(nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, N_TAGS))
criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loaders = {
    "train": DataLoader(train, 48, shuffle=True, collate_fn=collate),
    "val": DataLoader(valid, 100, collate_fn=collate),
}
for epoch in range(10):
    for phase in ["train", "val"]:
        model.train() if phase == "train" else model.eval()
        tot, f1n, f1d = 0.0, 0.0, 0.0
        for batch in loaders[phase]:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                logits = model(batch["inputs"]["x"])
                loss = criterion(logits, batch["labels"])
                if phase == "train":
                    loss.backward()
                    optimizer.step()
            pred = (logits > 0).float()
            f1n += 2 * (pred * batch["labels"]).sum().item()
            f1d += (pred.sum() + batch["labels"].sum()).item()
            tot += loss.item() * len(batch["names"])
        print(epoch, phase, "loss", tot / len(loaders[phase].dataset), "micro-f1", f1n / f1d)
