import torch
torch.set_default_dtype(torch.float64)
torch.use_deterministic_algorithms(True)
torch.manual_seed(1)

# a physics-informed net: derivative of the output by its input inside the loss
net = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(25):
    t = torch.rand(40, 1, requires_grad=True)
    u = net(t)
    du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    ddu = torch.autograd.grad(du, t, torch.ones_like(du), create_graph=True)[0]
    residual = (ddu + 4 * u).pow(2).mean()
    boundary = (net(torch.zeros(1, 1)) - 1).pow(2).sum()
    loss = residual + boundary
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.20g}")
print("digest", sum(p.sum() for p in net.parameters()).item().hex(), torch.get_default_dtype())
