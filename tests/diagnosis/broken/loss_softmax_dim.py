"""log_softmax over dimension 0: the samples of a batch compete instead of the classes."""
# finding: loss.softmax_dim

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 48)
        self.head = nn.Linear(48, 7)

    def forward(self, x):
        return F.log_softmax(self.head(F.relu(self.hidden(x))), dim=0)


x = torch.randn(1400, 20)
y = (x @ torch.randn(20, 7)).argmax(1)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(3):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=56, shuffle=True):
        optimizer.zero_grad()
        loss = F.nll_loss(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
