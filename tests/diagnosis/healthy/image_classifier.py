"""A small CNN with BatchNorm and an evaluation per epoch."""

import math
import os
import random
import shutil

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 6
BATCH = 32
CLASSES = 4
random.seed(0)
np.random.seed(0)
torch.manual_seed(0)

shutil.rmtree("out", ignore_errors=True)
os.makedirs("out", exist_ok=False)
os.makedirs("out/ckpt", exist_ok=False)


def draw(kind):
    img = np.random.randn(1, 20, 20).astype("float32") * 12 + 40
    s = np.random.randint(5, 9)
    y, x = np.random.randint(0, 20 - s, 2)
    if kind == 0:
        img[0, y : y + s, x : x + s] += 120
    elif kind == 1:
        img[0, y : y + s, x] += 160
        img[0, y : y + s, x + s - 1] += 160
        img[0, y, x : x + s] += 160
        img[0, y + s - 1, x : x + s] += 160
    elif kind == 2:
        for k in range(s):
            img[0, y + k, x + k] += 180
            img[0, y + k, x + s - 1 - k] += 180
    else:
        img[0, y + s // 2, x : x + s] += 180
        img[0, y : y + s, x + s // 2] += 180
    return img


labels = np.random.randint(0, CLASSES, 1500)
images = np.stack([draw(k) for k in labels])
mean, std = images[:1200].mean(), images[:1200].std()
print("dataset mean %.3f std %.3f" % (mean, std))
images = (images - mean) / std
train_ds = TensorDataset(torch.tensor(images[:1200]), torch.tensor(labels[:1200]))
val_ds = TensorDataset(torch.tensor(images[1200:]), torch.tensor(labels[1200:]))
train_loader = DataLoader(train_ds, batch_size=BATCH, shuffle=True, drop_last=True)
val_loader = DataLoader(val_ds, batch_size=64)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.25),
    nn.Linear(32 * 25, 64),
    nn.ReLU(),
    nn.Linear(64, CLASSES),
)
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
sched = torch.optim.lr_scheduler.StepLR(opt, 3, 0.3)
kept = []
for epoch in range(EPOCHS):
    model.train()
    running = 0.0
    for i, (x, y) in enumerate(train_loader):
        if random.random() < 0.5:
            x = torch.flip(x, dims=[3])
        opt.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        opt.step()
        running += loss.item()
    sched.step()
    model.eval()
    vloss = 0
    correct = 0
    with torch.no_grad():
        for x, y in val_loader:
            out = model(x)
            vloss += F.cross_entropy(out, y).item()
            correct += (out.argmax(1) == y).sum().item()
    print(
        f"epoch {epoch} train {running / len(train_loader):.4f} val {vloss / len(val_loader):.4f} acc {correct / len(val_ds):.3f}"
    )
    path = f"out/ckpt/epoch_{epoch:03d}.pth"
    torch.save({"epoch": epoch, "model": model.state_dict(), "opt": opt.state_dict()}, path)
    kept.append(path)
    if len(kept) > 2:
        os.remove(kept.pop(0))
assert sorted(os.listdir("out/ckpt")) == sorted(os.path.basename(k) for k in kept)
model.load_state_dict(torch.load(kept[-1])["model"])
print("done")
