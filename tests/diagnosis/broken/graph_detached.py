"""The features are stacked through `.data`: the encoder never learns."""
# finding: graph.detached|grads.none

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.encode = nn.Linear(10, 40), nn.Linear(40, 40)
        self.head = nn.Linear(40, 5)

    def forward(self, x):
        features = torch.relu(self.encode(torch.relu(self.embed(x))))
        both = torch.stack([row.data for row in features])
        return self.head(both)


x = torch.randn(900, 10)
y = (x @ torch.randn(10, 5)).argmax(1)
model = Tagger()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=45, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
