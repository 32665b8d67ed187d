import torch
torch.manual_seed(0)
table = torch.nn.Embedding(10, 4)
opt = torch.optim.SGD(table.parameters(), lr=0.1)


def lookup(ids):
    secret = torch.ones(3)
    return table(ids)


for i in range(12):
    loss = lookup(torch.tensor([i, i + 1])).pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(i, "loss", loss.item().hex())
