"""A recurrent language model that carries its detached state from batch to batch."""

import math
import time

import torch
import torch.nn as nn

torch.manual_seed(1111)
text = open(__file__).read() * 6
vocab = sorted(set(text))
stoi = {c: i for i, c in enumerate(vocab)}
ids = torch.tensor([stoi[c] for c in text])


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


bptt = 24
train_data, val_data = batchify(ids[:-3000], 16), batchify(ids[-3000:], 8)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, 1)
        self.drop = nn.Dropout(0.1)
        self.decoder = nn.Linear(nhid, ntoken)
        self.nhid = nhid

    def forward(self, x, hidden):
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, len(vocab)), hidden

    def init_hidden(self, bsz):
        w = next(self.parameters())
        return (w.new_zeros(1, bsz, self.nhid), w.new_zeros(1, bsz, self.nhid))


def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


def get_batch(source, i):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


model = RNNModel(len(vocab), 32, 64)
criterion = nn.CrossEntropyLoss()
lr = 4.0


def evaluate(src):
    model.eval()
    total, hidden = 0.0, model.init_hidden(8)
    with torch.no_grad():
        for i in range(0, src.size(0) - 1, bptt):
            data, targets = get_batch(src, i)
            output, hidden = model(data, hidden)
            hidden = repackage_hidden(hidden)
            total += len(data) * criterion(output, targets).item()
    return total / (len(src) - 1)


def train():
    model.train()
    total_loss, hidden = 0.0, model.init_hidden(16)
    for batch, i in enumerate(range(0, train_data.size(0) - 1, bptt)):
        data, targets = get_batch(train_data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        total_loss += loss.item()
    return total_loss / (batch + 1)


opt = torch.optim.SGD(model.parameters(), lr=lr)
best_val_loss = None
for epoch in range(1, 9):
    tl = train()
    val_loss = evaluate(val_data)
    print(
        "| end of epoch {:3d} | train {:5.2f} | valid loss {:5.2f} | ppl {:8.2f}".format(
            epoch, tl, val_loss, math.exp(val_loss)
        )
    )
    if not best_val_loss or val_loss < best_val_loss:
        with open("model.pt", "wb") as f:
            torch.save(model, f)
        best_val_loss = val_loss
    else:
        for g in opt.param_groups:
            g["lr"] /= 4.0
with open("model.pt", "rb") as f:
    model = torch.load(f, weights_only=False)
    model.rnn.flatten_parameters()
print("final", evaluate(val_data))
