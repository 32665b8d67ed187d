"""Distillation: KL between softened outputs, times T², and a teacher in eval mode under no_grad."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(8)
x = torch.randn(1500, 20)
y = (x @ torch.randn(20, 5) + 0.5 * torch.randn(1500, 5)).argmax(1)
loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=40, shuffle=True)
teacher = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 5))
student = nn.Sequential(nn.Linear(20, 24), nn.ReLU(), nn.Linear(24, 5))


def accuracy(model):
    model.eval()
    with torch.inference_mode():
        return (model(x[1200:]).argmax(1) == y[1200:]).float().mean().item()


def train_teacher():
    optimizer = torch.optim.Adam(teacher.parameters(), lr=2e-3)
    for _ in range(4):
        teacher.train()
        for a, b in loader:
            optimizer.zero_grad()
            F.cross_entropy(teacher(a), b).backward()
            optimizer.step()
    print("teacher", accuracy(teacher))


def train_student(temperature=4.0, alpha=0.7):
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    teacher.eval()
    for epoch in range(6):
        student.train()
        for a, b in loader:
            with torch.no_grad():
                wanted = teacher(a)
            logits = student(a)
            soft = F.kl_div(
                F.log_softmax(logits / temperature, 1), F.softmax(wanted / temperature, 1), reduction="batchmean"
            )
            loss = alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(logits, b)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, f"{loss.item():.4f}", accuracy(student))


train_teacher()
train_student()
