"""One file of the data set cannot be read; the exception comes out of a worker process."""
# finding: crash.worker|crash.other
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Files(Dataset):
    def __len__(self):
        return 60

    def __getitem__(self, i):
        if i == 37:
            raise OSError(f"sample {i}: unexpected end of file")
        return torch.randn(4), i % 2


def main():
    torch.manual_seed(33)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(Files(), batch_size=6, num_workers=1):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
