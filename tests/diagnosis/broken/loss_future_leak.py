"""A character model made of encoder layers that nobody gave a causal mask: every position sees the next character."""
# finding: loss.future_leak

import torch
from torch import nn

torch.manual_seed(0)
text = torch.randint(0, 20, (4000,))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(20, 32), nn.Embedding(24, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2)
        self.out = nn.Linear(32, 20)

    def forward(self, tokens):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        return self.out(self.blocks(x))


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(40):
    starts = torch.randint(0, len(text) - 25, (16,))
    x = torch.stack([text[i : i + 24] for i in starts])
    y = torch.stack([text[i + 1 : i + 25] for i in starts])
    loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(step, loss.item())
