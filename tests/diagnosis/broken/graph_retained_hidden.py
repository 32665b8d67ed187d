"""The hidden state goes from step to step with its history, and retain_graph=True silences the error."""
# finding: graph.retained
# live

import torch
from torch import nn

torch.manual_seed(0)


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix, self.out = nn.Linear(12, 8), nn.Linear(8, 1)

    def forward(self, x, state):
        state = torch.tanh(self.mix(torch.cat([x, state], 1)))
        return self.out(state), state


model, state = Cell(), torch.zeros(4, 8)
optimizer = torch.optim.SGD([{"params": model.out.parameters()}], lr=0.01)
wave = torch.sin(torch.arange(2000) * 0.1)
for step in range(250):
    x = wave[step : step + 16].reshape(4, 4)
    output, state = model(x, state)
    loss = nn.functional.mse_loss(output, wave[step + 16 : step + 20].reshape(4, 1))
    optimizer.zero_grad()
    loss.backward(retain_graph=True)
    optimizer.step()
