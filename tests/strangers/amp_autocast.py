import torch, hashlib
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.LayerNorm(64), nn.Linear(64, 5))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=10)
X, Y = torch.randn(128, 32), torch.randint(5, (128,))
for step in range(30):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(X)
        loss = nn.functional.cross_entropy(out, Y)
    scaler.scale(loss).backward()
    if step == 14:  # an overflow, as it happens: the scaler leaves this step out
        model[0].weight.grad[0, 0] = float("inf")
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    print(f"step {step} loss {loss.item()!r} scale {scaler.get_scale()}")
print("weights", hashlib.md5(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
