"""Stops half-way, makes everything anew, loads the checkpoint and goes on: the first loss is low, the head is loaded."""

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
centres = 2 * torch.randn(6, 14)
labels = torch.randint(6, (900,))
data = TensorDataset(centres[labels] + torch.randn(900, 14), labels)


def build():
    model = nn.Sequential(nn.Linear(14, 64), nn.ReLU(), nn.Linear(64, 6))
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    return model, optimizer, optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)


def run(model, optimizer, scheduler, epochs):
    for epoch in epochs:
        model.train()
        for x, y in DataLoader(data, batch_size=30, shuffle=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        scheduler.step()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
        torch.save({**state, "epoch": epoch}, "checkpoint.pt")
        print(epoch, loss.item(), scheduler.get_last_lr())


run(*build(), range(3))
model, optimizer, scheduler = build()
kept = torch.load("checkpoint.pt", weights_only=True)
model.load_state_dict(kept["model"])
optimizer.load_state_dict(kept["optimizer"])
scheduler.load_state_dict(kept["scheduler"])
run(model, optimizer, scheduler, range(kept["epoch"] + 1, 6))
