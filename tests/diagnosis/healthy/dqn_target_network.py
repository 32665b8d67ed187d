"""Q-learning from a replay buffer with a target network that is copied now and then."""

import copy
import random

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
N = 9
online = nn.Sequential(nn.Linear(N, 48), nn.ReLU(), nn.Linear(48, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.RMSprop(online.parameters(), lr=1e-3)
buffer = []


def one_hot(position):
    return torch.eye(N)[position]


position, done_count, losses = N // 2, 0, []
for step in range(900):
    epsilon = max(0.1, 1 - step / 500)
    with torch.no_grad():
        greedy = online(one_hot(position)).argmax().item()
    action = random.randrange(2) if random.random() < epsilon else greedy
    new = position + (1 if action else -1)
    done = new in (0, N - 1)
    buffer.append((position, action, 1.0 if new == N - 1 else 0.0, new, done))
    buffer = buffer[-500:]
    position = N // 2 if done else new
    if len(buffer) < 100:
        continue
    s, a, r, n, d = (torch.tensor(column) for column in zip(*random.sample(buffer, 32)))
    q = online(one_hot(s)).gather(1, a[:, None]).squeeze(1)
    with torch.no_grad():
        goal = r + 0.9 * target(one_hot(n)).max(1).values * (~d)
    loss = nn.functional.huber_loss(q, goal)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(online.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
    if step % 100 == 0:
        target.load_state_dict(online.state_dict())
        print(step, sum(losses[-50:]) / len(losses[-50:]))
