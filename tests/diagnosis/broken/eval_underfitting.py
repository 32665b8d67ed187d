"""Labels that have nothing to do with the inputs: the loss stays that of guessing, in both."""
# finding: eval.underfitting
# also: data.labels_unrelated|loss.not_decreasing|loss.constant
# live

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(23)
x = torch.randn(480, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
noise = torch.randint(0, 4, (4000,))
model = nn.Sequential(nn.Linear(12, 4))
data = TensorDataset(torch.randn(4000, 12), noise)
held_out = DataLoader(TensorDataset(x[:100], noise[:100]), batch_size=50)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    model.train()
    for inputs, labels in DataLoader(data, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        criterion(model(inputs), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = sum(criterion(model(inputs), labels).item() for inputs, labels in held_out) / len(held_out)
    print(epoch, val)
