"""Actor-critic with two heads on one trunk, entropy bonus, advantage detached; the loss changes its sign."""

import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(1)
random.seed(1)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 32)
        self.action = nn.Linear(32, 2)
        self.value = nn.Linear(32, 1)

    def forward(self, state):
        hidden = torch.tanh(self.trunk(state))
        return Categorical(logits=self.action(hidden)), self.value(hidden).squeeze(-1)


def episode(policy):
    """Keep a drifting number near zero."""
    position, speed, kept = random.uniform(-1, 1), 0.0, []
    for _ in range(25):
        state = torch.tensor([position, speed, abs(position), 1.0])
        distribution, value = policy(state)
        action = distribution.sample()
        speed += 0.2 if action.item() else -0.2
        position += speed + random.gauss(0, 0.05)
        kept.append((distribution.log_prob(action), value, -abs(position), distribution.entropy()))
        if abs(position) > 3:
            break
    return kept


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
for number in range(150):
    log_probs, values, rewards, entropies = zip(*episode(policy))
    returns, running = [], 0.0
    for reward in reversed(rewards):
        running = reward + 0.95 * running
        returns.insert(0, running)
    returns = torch.tensor(returns)
    values = torch.stack(values)
    advantage = returns - values.detach()
    loss = -(torch.stack(log_probs) * advantage).mean() + 0.5 * F.smooth_l1_loss(values, returns)
    loss = loss - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
    optimizer.step()
    if number % 30 == 0:
        print("episode", number, "return", round(sum(rewards), 2), "loss", round(loss.item(), 3))
