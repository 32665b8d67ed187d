"""log_softmax into nll_loss and into CTC: both want log-probabilities."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(40)
LETTERS, FRAMES = 5, 24
prototypes = torch.randn(LETTERS + 1, 8)


def batch(n=16):
    words = torch.randint(1, LETTERS + 1, (n, 4))
    frames = words.repeat_interleave(FRAMES // 4, dim=1)
    sound = prototypes[frames] + 0.4 * torch.randn(n, FRAMES, 8)
    return sound, words


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(8, 32, batch_first=True, bidirectional=True)
        self.letters = nn.Linear(64, LETTERS + 1)
        self.first = nn.Linear(64, LETTERS)

    def forward(self, x):
        hidden, _ = self.rnn(x)
        return self.letters(hidden).log_softmax(-1), self.first(hidden[:, 0]).log_softmax(-1)


model = Recogniser()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(100):
    sound, words = batch()
    frames, first = model(sound)
    length = torch.full((len(words),), 4)
    ctc = F.ctc_loss(frames.transpose(0, 1), words, torch.full((len(words),), FRAMES), length)
    loss = ctc + F.nll_loss(first, words[:, 0] - 1)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimizer.step()
    if step % 20 == 0:
        print(step, loss.item())
