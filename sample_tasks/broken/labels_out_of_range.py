"""Five grades of wine, given as 1 to 5 in the table. The first 5 ends the run: "Target 5 is out of bounds."

Why: five classes are numbered 0 to 4 for the loss; the labels were taken as they stand in the table.
Cure: `grade - 1`.
"""
# finding: data.labels_out_of_range
# stage: subset

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset


class WineTable(Dataset):
    """Eleven measurements and a grade from 1 (undrinkable) to 5 (excellent), as in the source table."""

    def __init__(self, n=600):
        self.features = torch.randn(n, 11)
        score = self.features[:, 0] - 0.5 * self.features[:, 3] + 0.3 * torch.randn(n)
        # A five is rare, as it is among wines.
        edges = torch.tensor([-1.2, -0.3, 0.5, 2.2])
        self.grade = torch.bucketize(score, edges) + 1

    def __len__(self):
        return len(self.grade)

    def __getitem__(self, index):
        return self.features[index], self.grade[index]


torch.manual_seed(11)
train_loader = DataLoader(WineTable(), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(11, 32), nn.ReLU(), nn.Linear(32, 5))
optimizer = optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(3):
    for step, (features, grade) in enumerate(train_loader):
        prediction = model(features)
        loss = criterion(prediction, grade)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} step {step} loss {loss.item():.3f}")
