from __future__ import annotations

from pathlib import Path

from tests.probes.injected import run_script

# Dropout and batch norm: a forward that ran twice would change the random state and the running statistics.
SCRIPT = """
import math, torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
        self.rate, self.out = nn.Linear(16, 4), nn.Linear(4, 1)
        self.calls = 0
    def forward(self, x):
        self.calls += 1
        return self.out(torch.log(self.rate(self.trunk(x)) + 2.0))
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
x, y = torch.randn(64, 6), torch.randn(64, 1)
for step in range(40):
    optimizer.zero_grad()
    distance = net(x) - y
    penalty = net.rate.weight.pow(2).mean()
    loss = distance.pow(2).mean() - 0.5 * penalty * step
    print(loss.item())
    loss.backward()
    optimizer.step()
    if not math.isfinite(loss.item()):
        break
print("calls", net.calls, step, net.trunk[1].running_mean.sum().item(), torch.rand(1).item())
"""


def test_the_operation_that_made_a_nan_is_found_and_nothing_is_run_again(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = run_script(tmp_path / "plain", SCRIPT, plain=True)
    run = run_script(tmp_path, SCRIPT)
    assert run.code == 0 and run.stdout == plain.stdout and "nan" in run.stdout
    assert run.of("probe_error") == []
    origin = next(event for event in run.of("origin") if event["how"] == "op")
    assert (origin["op"], origin["after"]) == ("LogBackward0", ["rate"])
    assert origin["tensors"][0]["facts"]["min"] <= 0
    assert origin["step"] == run.stdout.split().index("nan")
    units = run.of("units")
    assert units and {row["after"] for event in units for row in event["rows"]} == {"trunk.1"}


BAD_BATCH = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x = torch.randn(640, 6)
y = x.sum(1, keepdim=True)
x[[77, 78], 2] = float("nan")
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for xb, yb in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
    loss = ((net(xb) - yb) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    if loss.isnan():
        break
overflowing = nn.Linear(6, 1)
optimizer = torch.optim.SGD(overflowing.parameters(), lr=0.01)
out = nn.functional.mse_loss(overflowing(torch.randn(16, 6)) * 1e30, torch.zeros(16, 1))
optimizer.zero_grad(); out.backward(); optimizer.step()
"""


def test_the_samples_of_a_bad_batch_and_an_overflow(tmp_path: Path) -> None:
    run = run_script(tmp_path, BAD_BATCH, DLMON_OVERHEAD="0.0001")
    assert run.code == 0 and run.of("probe_error") == []
    batch, overflow = (event for event in run.of("origin") if event["how"] != "gradient")
    assert batch["how"] == "input" and batch["broken"] and set(batch["indices"]) <= {77, 78} and batch["indices"]
    assert (overflow["how"], overflow["op"]) == ("op", "MseLossBackward0")
