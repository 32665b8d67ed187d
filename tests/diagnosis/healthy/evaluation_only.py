"""No training at all: a saved model is loaded and evaluated, with gradients for a saliency map."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(45)
x = torch.randn(400, 7)
y = (x.sum(1) > 0).long()
model = nn.Sequential(nn.Linear(7, 24), nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 2))
torch.save(model.state_dict(), "model.pt")
model.load_state_dict(torch.load("model.pt", weights_only=True))
model.eval()
right, saliency = 0, torch.zeros(7)
for a, b in DataLoader(TensorDataset(x, y), batch_size=50):
    a.requires_grad_(True)
    logits = model(a)
    right += (logits.argmax(1) == b).sum().item()
    nn.functional.cross_entropy(logits, b).backward()
    saliency += a.grad.abs().sum(0)
    model.zero_grad()
print("accuracy", right / 400, "saliency", [round(v, 3) for v in saliency.tolist()])
