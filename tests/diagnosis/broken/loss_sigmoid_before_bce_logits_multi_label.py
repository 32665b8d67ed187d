"""Multi-label tags: torch.sigmoid at the end of forward, and BCEWithLogitsLoss outside."""
# finding: loss.sigmoid_before_bce_logits

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 40)
        self.tags = nn.Linear(40, 5)

    def forward(self, x):
        return torch.sigmoid(self.tags(torch.relu(self.hidden(x))))


torch.manual_seed(6)
x = torch.randn(900, 20)
y = (x[:, :5] + x[:, 5:10] > 0).float()
model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(4):
    for a, b in DataLoader(TensorDataset(x, y), batch_size=45, shuffle=True):
        optimizer.zero_grad()
        loss = nn.BCEWithLogitsLoss()(model(a), b)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
