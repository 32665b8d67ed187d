import sys
import torch
torch.manual_seed(int(sys.stdin.readline()))
rows = [list(map(float, line.split(","))) for line in sys.stdin]
table = torch.tensor(rows)
x, y = table[:, :-1], table[:, -1:]
lin = torch.nn.Linear(x.shape[1], 1)
opt = torch.optim.SGD(lin.parameters(), lr=0.02)
for i in range(25):
    loss = torch.nn.functional.mse_loss(lin(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, "loss", loss.item().hex())
print("digest", lin.weight.double().sum().item().hex(), len(rows), "rows")
