"""A data set with a lambda in it goes to spawned loader workers."""
# finding: crash.worker

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    def __init__(self):
        self.x, self.y = torch.randn(64, 6), torch.randint(0, 2, (64,))
        self.transform = lambda row: (row - self.x.mean(0)) / self.x.std(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.transform(self.x[i]), self.y[i]


def main():
    torch.manual_seed(0)
    loader = DataLoader(Rows(), batch_size=16, shuffle=True, num_workers=1, multiprocessing_context="spawn")
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
