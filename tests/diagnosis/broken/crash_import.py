"""A package that the script needs is not installed: it fails before torch is imported."""
# finding: crash.import

import image_reader_not_here as cv2
import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(10):
    x = torch.from_numpy(cv2.imread(f"{step}.png")).float()
    loss = model(x).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
