"""Ten clusters, a plain classifier. It learns, but slowly, and the loss cannot get below about 1.46.

Why: the network ends in a softmax, and `CrossEntropyLoss` applies one of its own. The second softmax sees numbers
between 0 and 1 only, so even a perfect answer looks uncertain: -ln(e / (e + 9)) = 1.46.
Cure: return the raw logits; softmax is for looking at predictions.
"""
# finding: loss.softmax_before_ce

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Clusters(Dataset):
    def __init__(self, n=1280, classes=10, dim=32):
        g = torch.Generator().manual_seed(5)
        centres = 2 * torch.randn(classes, dim, generator=g)
        self.y = torch.randint(classes, (n,), generator=g)
        self.x = centres[self.y] + torch.randn(n, dim, generator=g)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(32, 64)
        self.output = nn.Linear(64, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        return self.softmax(self.output(x))


if __name__ == "__main__":
    torch.manual_seed(5)
    loader = DataLoader(Clusters(), batch_size=64, shuffle=True)
    model = Classifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(8):
        hits = 0
        for x, y in loader:
            probabilities = model(x)
            loss = criterion(probabilities, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            hits += (probabilities.argmax(1) == y).sum().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {hits / 1280:.2f}")
