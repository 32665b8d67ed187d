import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(13)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(d, 2 * d), nn.ReLU(inplace=True), nn.Dropout(0.1), nn.Linear(2 * d, d))

    def forward(self, x):
        return x + self.f(x)


blocks = nn.ModuleList(Block(10) for _ in range(4))
head = nn.Linear(10, 3)
opt = torch.optim.SGD([*blocks.parameters(), *head.parameters()], lr=0.05)
for step in range(20):
    x = torch.randn(12, 10, requires_grad=True)
    h = checkpoint(blocks[0], x, use_reentrant=False)
    h = checkpoint(blocks[1], h, use_reentrant=True)
    h = checkpoint_sequential(nn.Sequential(blocks[2], blocks[3]), 2, h, use_reentrant=False)
    loss = nn.functional.cross_entropy(head(h), torch.randint(3, (12,)))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("loss", loss.item().hex())
print("digest", sum(p.double().sum().item() for p in blocks.parameters()).hex())
