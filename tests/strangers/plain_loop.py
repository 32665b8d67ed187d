import hashlib
import torch

torch.manual_seed(0)
x = torch.randn(256, 10)
w = torch.randn(10, 1)
y = x @ w + 0.1 * torch.randn(256, 1)

model = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.05)
for t in range(60):
    loss = torch.nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(t, "loss", repr(loss.item()))
h = hashlib.md5()
for p in model.parameters():
    h.update(p.detach().numpy().tobytes())
print("digest", h.hexdigest(), torch.initial_seed(), torch.rand(1).item())
