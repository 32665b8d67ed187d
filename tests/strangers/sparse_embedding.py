# word2vec with negative sampling; sparse gradients; an empty parameter for good measure
import torch
from torch import nn

torch.manual_seed(17)


class SkipGram(nn.Module):
    def __init__(self, vocab=50, dim=8):
        super().__init__()
        self.u = nn.Embedding(vocab, dim, sparse=True)
        self.v = nn.EmbeddingBag(vocab, dim, sparse=True, mode="sum")
        self.nothing = nn.Parameter(torch.empty(0, 3))

    def forward(self, centre, context, noise):
        u = self.u(centre)
        pos = (u * self.v(context.unsqueeze(1))).sum(1)
        neg = (u.unsqueeze(1) * self.v(noise.reshape(-1, 1)).view(*noise.shape, -1)).sum(2)
        return -(nn.functional.logsigmoid(pos) + nn.functional.logsigmoid(-neg).sum(1)).mean() + self.nothing.sum()


m = SkipGram()
sparse = torch.optim.SparseAdam([m.u.weight, m.v.weight], lr=0.02)
dense = torch.optim.SGD([m.nothing], lr=0.1)
for i in range(25):
    c = torch.randint(50, (16,))
    loss = m(c, (c + 1) % 50, torch.randint(50, (16, 4)))
    sparse.zero_grad(); dense.zero_grad()
    loss.backward()
    sparse.step(); dense.step()
    print(i, "loss", loss.item().hex(), m.u.weight.grad.is_sparse)
print("digest", m.u.weight.double().sum().item().hex())
