import time
import torch
from tqdm.auto import trange, tqdm

torch.manual_seed(0)
net = torch.nn.Conv2d(1, 2, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.05)
for epoch in trange(3, desc="epochs"):
    with tqdm(total=8, desc="batches", leave=False) as bar:
        for i in range(8):
            loss = net(torch.randn(4, 1, 6, 6)).pow(2).mean()
            opt.zero_grad(); loss.backward(); opt.step()
            bar.update(); bar.set_postfix(loss=f"{loss.item():.3f}")
            tqdm.write(f"epoch {epoch} batch {i} loss {loss.item()!r}")
print("\ndigest", net.weight.double().sum().item().hex())
