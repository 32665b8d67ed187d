import hashlib
import random
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Augmented(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, i):
        return np.float32(np.random.rand(6)) + i % 3, i % 3, random.random()


def worker_init(worker_id):
    s = torch.initial_seed() % 2**32
    np.random.seed(s)
    random.seed(s)


if __name__ == "__main__":
    torch.manual_seed(6)
    loader = DataLoader(Augmented(), batch_size=8, shuffle=True, num_workers=2, worker_init_fn=worker_init, persistent_workers=True, prefetch_factor=2)
    model = torch.nn.Linear(6, 3)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y, extra in loader:
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print("loss", repr(loss.item()), "noise", repr(extra.sum().item()))
    print("weights", hashlib.md5(model.weight.detach().numpy().tobytes()).hexdigest())
