"""Each fold is to start from the same weights, which are kept without a copy: every fold goes on from the last one."""
# finding: model.best_state_aliased
# also: data.leak|eval.leak_suspected
# live

import torch
from torch import nn

torch.manual_seed(1)
x = torch.randn(600, 6)
y = x @ torch.randn(6, 1) + 0.1 * torch.randn(600, 1)
model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
start = dict(model.state_dict())
for fold in range(3):
    model.load_state_dict(start)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    kept = torch.ones(600, dtype=torch.bool)
    kept[fold * 200 : (fold + 1) * 200] = False
    for _ in range(20):
        for rows in kept.nonzero().flatten()[torch.randperm(400)].split(50):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        print(f"fold {fold} error {nn.functional.mse_loss(model(x[~kept]), y[~kept]):.4f}")
