# d2l-style: no nn.Module, no optimizer object
import random
import torch


def synthetic_data(w, b, num):
    X = torch.normal(0, 1, (num, len(w)))
    y = torch.matmul(X, w) + b
    return X, y + torch.normal(0, 0.01, y.shape)


def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(features), batch_size):
        j = torch.tensor(idx[i : i + batch_size])
        yield features[j], labels[j]


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


torch.manual_seed(3)
random.seed(3)
features, labels = synthetic_data(torch.tensor([2.0, -3.4]), 4.2, 500)
w = torch.normal(0, 0.01, size=(2,), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(20, features, labels):
        l = ((X @ w + b - y) ** 2 / 2).sum()
        l.backward()
        sgd([w, b], 0.03, 20)
        print("batch loss", l.item().hex())
print("w", [v.hex() for v in w.tolist()], "b", b.item().hex(), "py", random.random())
