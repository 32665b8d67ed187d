"""A frozen encoder under no_grad, a stop-gradient branch, dropout kept on for Monte Carlo, truncated backpropagation."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(8, 24).requires_grad_(False)
        self.cell = nn.GRUCell(24, 32)
        self.project, self.predict = nn.Linear(32, 16), nn.Linear(16, 16)
        self.out = nn.Linear(32, 1)

    def forward(self, x, state):
        with torch.no_grad():
            x = torch.tanh(self.frozen(x))
        state = self.cell(x, state)
        z = self.project(F.dropout(state, 0.1, training=True))
        consistency = 1 - F.cosine_similarity(self.predict(torch.relu(z)), z.detach()).mean()
        return self.out(state), consistency, state


signal = torch.sin(torch.arange(4096) * 0.07)
windows = signal.unfold(0, 8, 1)
model = Sequence()
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=2e-3)
state, recent = torch.zeros(16, 32), []
for step in range(160):
    start = step * 8
    loss, steps = 0.0, 4
    for k in range(steps):
        x = torch.stack([windows[start + k + 128 * b] for b in range(16)])
        target = torch.stack([signal[start + k + 8 + 128 * b] for b in range(16)]).unsqueeze(1)
        output, consistency, state = model(x, state)
        loss = loss + F.mse_loss(output, target) + 0.05 * consistency
    optimizer.zero_grad()
    (loss / steps).backward()
    optimizer.step()
    state = state.detach()
    recent.append(loss.item())
print(f"loss {sum(recent[-10:]) / 10:.4f}")
