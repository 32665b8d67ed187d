"""REINFORCE with baseline on a corridor of 6 cells. Many forwards without gradients' use, one backward per episode."""
import torch
from torch import nn, optim
from torch.distributions import Categorical

torch.manual_seed(543)
policy = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
value = nn.Linear(6, 1)
optimizer = optim.Adam(list(policy.parameters()) + list(value.parameters()), lr=1e-2)
eye = torch.eye(6)
for episode in range(30):
    state, log_probs, values, rewards = 0, [], [], []
    for t in range(20):
        dist = Categorical(logits=policy(eye[state]))
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        values.append(value(eye[state]).squeeze())
        state = max(0, state + (1 if action.item() else -1))
        rewards.append(1.0 if state == 5 else -0.05)
        if state == 5:
            break
    R, returns = 0.0, []
    for r in reversed(rewards):
        R = r + 0.97 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    values = torch.stack(values)
    advantage = returns - values.detach()
    policy_loss = -(torch.stack(log_probs) * advantage).sum()
    value_loss = nn.functional.mse_loss(values, returns)
    optimizer.zero_grad()
    (policy_loss + value_loss).backward()
    optimizer.step()
    print(f"episode {episode} length {len(rewards)} policy loss {policy_loss.item()!r} value loss {value_loss.item()!r}")
print("digest", policy[0].weight.double().sum().item().hex())
