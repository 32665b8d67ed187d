"""Two optimizers take turns, each over its half of the factors; the other half is frozen meanwhile."""

import torch

torch.manual_seed(44)
truth = torch.randn(60, 4) @ torch.randn(4, 50)
seen = torch.rand(60, 50) < 0.5
rows = torch.nn.Parameter(0.3 * torch.randn(60, 4))
columns = torch.nn.Parameter(0.3 * torch.randn(50, 4))
turns = [(torch.optim.Adam([rows], lr=0.05), rows, columns), (torch.optim.Adam([columns], lr=0.05), columns, rows)]
for round_ in range(12):
    for optimizer, moving, still in turns:
        moving.requires_grad_(True)
        still.requires_grad_(False)
        for _ in range(10):
            error = ((rows @ columns.t() - truth)[seen] ** 2).mean()
            loss = error + 1e-3 * (rows.square().mean() + columns.square().mean())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(round_, error.item())
