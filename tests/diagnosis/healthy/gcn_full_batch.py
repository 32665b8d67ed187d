"""A graph network on one full batch, as is usual."""

import torch
import torch.nn.functional as F

torch.manual_seed(42)
n, k = 400, 4
label = torch.randint(0, k, (n,))
prob = torch.where(label[:, None] == label[None], 0.05, 0.006)
adj = (torch.rand(n, n) < prob).triu(1).float()
adj = adj + adj.t() + torch.eye(n)
deg = adj.sum(1).rsqrt()
adj = deg[:, None] * adj * deg[None]
feat = F.one_hot(label, k).float() @ torch.randn(k, 50) * 0.4 + torch.randn(n, 50)
perm = torch.randperm(n)
train_mask, val_mask, test_mask = (torch.zeros(n, dtype=torch.bool) for _ in range(3))
train_mask[perm[:120]] = True
val_mask[perm[120:220]] = True
test_mask[perm[220:]] = True


class GCN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = torch.nn.Linear(50, 32)
        self.w2 = torch.nn.Linear(32, k)

    def forward(self, x, a):
        x = F.relu(a @ self.w1(x))
        x = F.dropout(x, p=0.5, training=self.training)
        return a @ self.w2(x)


model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def train():
    model.train()
    optimizer.zero_grad()
    out = model(feat, adj)
    loss = F.cross_entropy(out[train_mask], label[train_mask])
    loss.backward()
    optimizer.step()
    return float(loss)


@torch.no_grad()
def test():
    model.eval()
    pred = model(feat, adj).argmax(dim=-1)
    return [int((pred[m] == label[m]).sum()) / int(m.sum()) for m in (train_mask, val_mask, test_mask)]


best_val = test_acc = 0
for epoch in range(1, 601):
    loss = train()
    train_acc, val_acc, tmp = test()
    if val_acc > best_val:
        best_val, test_acc = val_acc, tmp
    if epoch % 50 == 0:
        print(f"Epoch {epoch:03d}, Loss {loss:.4f}, Train {train_acc:.3f}, Val {val_acc:.3f}, Test {test_acc:.3f}")
