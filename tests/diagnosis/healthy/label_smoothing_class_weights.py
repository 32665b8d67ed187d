"""Label smoothing and class weights: the loss neither starts at ln C nor comes near zero."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
frequency = torch.tensor([0.6, 0.25, 0.1, 0.05])
labels = torch.multinomial(frequency, 1200, replacement=True)
centres = 1.5 * torch.randn(4, 18)
inputs = centres[labels] + torch.randn(1200, 18)
train = DataLoader(TensorDataset(inputs[:1000], labels[:1000]), batch_size=50, shuffle=True)
model = nn.Sequential(nn.Linear(18, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, 4))
criterion = nn.CrossEntropyLoss(weight=1 / frequency, label_smoothing=0.1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, epochs=6, steps_per_epoch=len(train))
for epoch in range(6):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        logits = model(inputs[1000:])
        print(epoch, f"{loss.item():.3f} {criterion(logits, labels[1000:]).item():.3f}")
