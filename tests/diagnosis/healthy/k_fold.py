"""Cross-validation: a new model and a new optimizer per fold in one process."""

import logging
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

logging.basicConfig(
    level=logging.INFO,
    handlers=[logging.StreamHandler(sys.stdout), logging.FileHandler("cv.log", mode="w")],
    format="%(asctime)s %(message)s",
)
log = logging.getLogger("cv")
torch.manual_seed(9)
X = torch.randn(1000, 12)
y = ((X[:, 0] > 0) ^ (X[:, 1] > 0)).float()
ds = TensorDataset(X, y)


def reset_weights(m):
    if hasattr(m, "reset_parameters"):
        m.reset_parameters()


def folds(n, k):
    order = np.random.RandomState(0).permutation(n)
    for part in np.array_split(order, k):
        yield np.setdiff1d(order, part), part


scores = {}
for fold, (train_ids, test_ids) in enumerate(folds(len(ds), 4)):
    log.info("FOLD %d", fold)
    trainloader = DataLoader(ds, batch_size=25, sampler=SubsetRandomSampler(train_ids))
    testloader = DataLoader(ds, batch_size=25, sampler=SubsetRandomSampler(test_ids))
    net = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    net.apply(reset_weights)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(15):
        current = 0.0
        for xb, yb in trainloader:
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(net(xb).squeeze(1), yb)
            loss.backward()
            optimizer.step()
            current += loss.item()
    torch.save(net.state_dict(), f"./model-fold-{fold}.pth")
    correct = total = 0
    net.eval()
    with torch.no_grad():
        for xb, yb in testloader:
            correct += ((net(xb).squeeze(1) > 0) == yb.bool()).sum().item()
            total += yb.size(0)
    log.info("fold %d loss %.4f accuracy %.2f%%", fold, current / len(trainloader), 100.0 * correct / total)
    scores[fold] = 100.0 * correct / total
log.info("average %.2f", sum(scores.values()) / len(scores))
