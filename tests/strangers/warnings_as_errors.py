import warnings
warnings.simplefilter("error")
import torch
warnings.simplefilter("error")
torch.manual_seed(4)
model = torch.nn.LSTM(3, 6, batch_first=True)
out = torch.nn.Linear(6, 1)
opt = torch.optim.RAdam([*model.parameters(), *out.parameters()], lr=1e-2)
for step in range(15):
    x = torch.randn(8, 5, 3)
    pred = out(model(x)[0][:, -1]).squeeze(-1)
    loss = torch.nn.functional.huber_loss(pred, x.sum((1, 2)))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("loss", repr(loss.item()))
# tensors that warn when one looks at .grad of a non-leaf
hidden = torch.ones(3, requires_grad=True) * 2
try:
    hidden.grad
    print("no warning")
except UserWarning:
    print("still an error")
print("digest", repr(out.weight.double().sum().item()))
