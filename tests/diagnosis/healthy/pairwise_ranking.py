"""Learning to rank from pairs."""

import numpy as np
import torch
import torch.nn as nn

np.random.seed(0)
torch.manual_seed(0)
users, items, dim = 120, 80, 8
U, V = np.random.randn(users, dim), np.random.randn(items, dim)
score = U @ V.T
liked = [np.argsort(-score[u])[:12] for u in range(users)]
train_pairs = [(u, i) for u in range(users) for i in liked[u][:9]]
test_pairs = [(u, i) for u in range(users) for i in liked[u][9:]]


class BPRMF(nn.Module):
    def __init__(self):
        super().__init__()
        self.u = nn.Embedding(users, 16)
        self.i = nn.Embedding(items, 16)
        self.b = nn.Embedding(items, 1)
        nn.init.normal_(self.u.weight, std=0.1)
        nn.init.normal_(self.i.weight, std=0.1)
        nn.init.zeros_(self.b.weight)

    def forward(self, u, i):
        return (self.u(u) * self.i(i)).sum(-1) + self.b(i).squeeze(-1)


def sample(batch):
    u, p = zip(*batch)
    n = []
    for user in u:
        j = np.random.randint(items)
        while j in liked[user][:9]:
            j = np.random.randint(items)
        n.append(j)
    return torch.tensor(u), torch.tensor(np.array(p)), torch.tensor(n)


model = BPRMF()
loss_fn = nn.MarginRankingLoss(margin=1.0)
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(25):
    np.random.shuffle(train_pairs)
    losses = []
    for k in range(0, len(train_pairs), 64):
        u, p, n = sample(train_pairs[k : k + 64])
        pos, neg = model(u, p), model(u, n)
        loss = loss_fn(pos, neg, torch.ones_like(pos))
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(float(loss.detach()))
    if epoch % 5 == 4:
        with torch.no_grad():
            s = model(torch.arange(users)[:, None].expand(users, items), torch.arange(items)[None].expand(users, items))
            top = s.topk(20).indices.numpy()
        hit = np.mean([i in top[u] for u, i in test_pairs])
        print("epoch", epoch + 1, "loss", np.mean(losses), "hit@20", hit)
