"""Batches cut by hand from a permutation."""

import torch

torch.manual_seed(12345)
# digits made of 7 segments, noisy
SEG = torch.tensor(
    [
        [1, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 1, 0, 1],
        [1, 1, 1, 1, 0, 0, 1],
        [0, 1, 1, 0, 0, 1, 1],
        [1, 0, 1, 1, 0, 1, 1],
        [1, 0, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 1, 1],
    ]
).float()
proj = torch.randn(7, 40)
N = 4000
Y = torch.randint(0, 10, (N,))
X = SEG[Y] @ proj + 0.8 * torch.randn(N, 40)
Xtr, Ytr, Xte, Yte = X[:3200], Y[:3200], X[3200:], Y[3200:]

W1 = torch.nn.Parameter(torch.randn(40, 100) * (2 / 40) ** 0.5)
b1 = torch.nn.Parameter(torch.zeros(100))
W2 = torch.nn.Parameter(torch.randn(100, 10) * 0.1)
b2 = torch.nn.Parameter(torch.zeros(10))
params = [W1, b1, W2, b2]
opt = torch.optim.SGD(params, lr=0.1, momentum=0.9)


def forward(x):
    return torch.log_softmax(torch.relu(x @ W1 + b1) @ W2 + b2, dim=1)


batch_size = 50
for epoch in range(25):
    perm = torch.randperm(len(Xtr))
    for i in range(0, len(Xtr), batch_size):
        idx = perm[i : i + batch_size]
        lp = forward(Xtr[idx])
        loss = torch.nn.functional.nll_loss(lp, Ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    for g in opt.param_groups:
        g["lr"] *= 0.9
    with torch.no_grad():
        acc = (forward(Xte).argmax(1) == Yte).float().mean()
    print(epoch, loss.item(), acc.item())
