"""Tabular regression, notebook style: predict the price of made-up flats from area, rooms, age and district.

    dlmon sample_tasks/regression.py

A script as one exports it from a notebook: everything at top level, standardised columns, SGD with momentum, a
learning rate that drops when the validation loss stops falling (ReduceLROnPlateau), early stopping.
The target has variance 1 after standardising, so the first loss should be near 1.
"""

import argparse
import copy
import hashlib

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--rows", type=int, default=8000)
parser.add_argument("--patience", type=int, default=10)
parser.add_argument("--log-every", type=int, default=0)
parser.add_argument("--seed", type=int, default=0)
opt = parser.parse_args()

torch.set_num_threads(1)  # for networks this small, more threads only get in each other's way
torch.manual_seed(opt.seed)

# %% The table
area = 20 + 130 * torch.rand(opt.rows)
rooms = (area / 28 + torch.randn(opt.rows)).round().clamp(min=1)
age = 100 * torch.rand(opt.rows)
district = torch.randint(0, 5, (opt.rows,))
per_square_metre = torch.tensor([2900.0, 3400.0, 4100.0, 5200.0, 7600.0])[district]
price = area * per_square_metre * (1 - 0.004 * age) + 9000 * rooms + 15000 * torch.randn(opt.rows)

# %% Standardise the numbers, one-hot the district
numbers = torch.stack([area, rooms, age], dim=1)
numbers = (numbers - numbers.mean(0)) / numbers.std(0)
X = torch.cat([numbers, nn.functional.one_hot(district, 5).float()], dim=1)
y = (price - price.mean()) / price.std()

# %% Split and load
train_set, val_set = random_split(TensorDataset(X, y), [0.8, 0.2], generator=torch.Generator().manual_seed(42))
train_dl = DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True)
val_dl = DataLoader(val_set, batch_size=512)

# %% Model
net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)

# %% Train
best_loss, best_weights, waited = float("inf"), None, 0
for epoch in range(opt.epochs):
    net.train()
    for i, (xb, yb) in enumerate(train_dl):
        pred = net(xb).squeeze(1)  # (64, 1) → (64,): the same shape as yb
        loss = nn.functional.mse_loss(pred, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if opt.log_every and i % opt.log_every == 0:
            print(f"[{epoch}:{i}] loss={loss.item()!r}")

    net.eval()
    with torch.no_grad():
        errors = [(net(xb).squeeze(1) - yb).pow(2) for xb, yb in val_dl]
    val_loss = torch.cat(errors).mean().item()
    scheduler.step(val_loss)
    error = val_loss**0.5 * price.std().item()
    lr = optimizer.param_groups[0]["lr"]
    print(f"epoch {epoch:3d}  val mse {val_loss:.5f}  (typical error {error:,.0f} €)  lr {lr:g}")
    if val_loss < best_loss:
        best_loss, best_weights, waited = val_loss, copy.deepcopy(net.state_dict()), 0
    else:
        waited += 1
        if waited > opt.patience:
            print(f"no better for {opt.patience} epochs: stopping early")
            break

# %% Result
net.load_state_dict(best_weights)
blob = b"".join(bytes(w.flatten().view(torch.uint8).tolist()) for w in net.state_dict().values())
print("best val mse", best_loss)
print("weights", hashlib.sha256(blob).hexdigest()[:16])
