"""REINFORCE: no data loader, losses around zero that do not fall, weights that move rarely."""

import random
from collections import deque

import torch
import torch.nn as nn
from torch.distributions import Categorical

torch.manual_seed(2)
random.seed(2)


class Corridor:
    """Walk to the end of a corridor; observation is position and a noisy hint of the good direction."""

    def __init__(self, n=7):
        self.n = n

    def reset(self):
        self.pos, self.t, self.goal = self.n // 2, 0, random.choice([0, self.n - 1])
        return self.obs()

    def obs(self):
        return torch.tensor([self.pos / self.n, 1.0 if self.goal else -1.0, random.gauss(0, 1)])

    def step(self, a):
        self.pos += 1 if a == 1 else -1
        self.t += 1
        done = self.pos in (0, self.n - 1) or self.t > 30
        reward = 1.0 if self.pos == self.goal else (-1.0 if done else -0.02)
        return self.obs(), reward, done


policy = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
env, gamma, running = Corridor(), 0.98, deque(maxlen=50)
for episode in range(600):
    obs, log_probs, rewards, done = env.reset(), [], [], False
    while not done:
        dist = Categorical(logits=policy(obs))
        action = dist.sample()
        log_probs.append(dist.log_prob(action))
        obs, r, done = env.step(action.item())
        rewards.append(r)
    R, returns = 0, []
    for r in reversed(rewards):
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    if len(returns) > 1:
        returns = (returns - returns.mean()) / (returns.std() + 1e-8)
    loss = -(torch.stack(log_probs) * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    running.append(sum(rewards))
    if episode % 100 == 0:
        print("episode", episode, "return", sum(running) / len(running))
