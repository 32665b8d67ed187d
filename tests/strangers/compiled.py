import torch

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
compiled = torch.compile(model, backend="aot_eager")
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


@torch.compile(backend="eager")
def gelu_ish(x):
    return 0.5 * x * (1 + torch.tanh(x))


for step in range(12):
    x = torch.randn(16, 8)
    loss = (compiled(gelu_ish(x)) - x.mean(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, "loss", loss.item().hex())
from torch._dynamo.utils import counters
print("graphs", counters["stats"]["unique_graphs"], "breaks", sum(counters["graph_break"].values()))
print("digest", model[0].weight.double().sum().item().hex())
