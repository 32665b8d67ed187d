# evaluation only: a forward, no backward, no optimizer; must stay a bystander
import torch
torch.manual_seed(0)
net = torch.nn.Transformer(16, 2, 1, 1, 32, batch_first=True).eval()
with torch.no_grad():
    out = net(torch.randn(2, 5, 16), torch.randn(2, 4, 16))
print("loss-free digest", out.double().sum().item().hex())
