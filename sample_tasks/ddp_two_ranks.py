"""Distributed data parallel on two processes of one machine, on the CPU (backend gloo).

    dlmon torchrun --nproc-per-node 2 sample_tasks/ddp_two_ranks.py

torchrun starts the script twice; each copy is a "rank". Both hold the same model, each sees its half of the data,
and the gradients are averaged across the ranks during backward. dlmon follows both ranks.
"""

import argparse
import hashlib
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


def spirals(n, seed=42):
    """Two interleaved spirals: points (n, 2) and their class 0 or 1."""
    g = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 2, (n,), generator=g)
    t = 0.5 + 3.0 * torch.rand(n, generator=g)
    angle = 2.2 * t + torch.pi * label
    points = torch.stack([t * angle.cos(), t * angle.sin()], dim=1) / 2
    return points + 0.03 * torch.randn(n, 2, generator=g), label


def train(args):
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(args.seed)  # the same on each rank; DDP would also copy rank 0's weights to all
    dataset = TensorDataset(*spirals(args.samples))
    sampler = DistributedSampler(dataset, shuffle=True, seed=args.seed)
    loader = DataLoader(dataset, batch_size=args.batch_size, sampler=sampler)

    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    model = DDP(model)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)

    step, per_epoch = 0, len(loader) * args.batch_size * world
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)  # another order in each epoch
        right = torch.zeros(1)
        for points, labels in loader:
            output = model(points)
            loss = loss_fn(output, labels)
            optimizer.zero_grad()
            loss.backward()  # here the ranks average their gradients
            optimizer.step()
            right += (output.argmax(1) == labels).sum()
            step += 1
            if args.log_every and step % args.log_every == 0:
                print(f"rank {rank} step {step} loss {loss.item()!r}", flush=True)
        dist.all_reduce(right)
        if rank == 0:
            print(f"epoch {epoch + 1}/{args.epochs}: accuracy {right.item() / per_epoch:.1%}")

    weights = b"".join(bytes(p.detach().flatten().view(torch.uint8).tolist()) for p in model.parameters())
    print(f"rank {rank} weights {hashlib.sha256(weights).hexdigest()[:16]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=32, help="per rank")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--log-every", type=int, default=0)
    args = parser.parse_args()
    if "RANK" not in os.environ:
        parser.error("start it with: dlmon torchrun --nproc-per-node 2 sample_tasks/ddp_two_ranks.py")
    dist.init_process_group(backend="gloo")
    try:
        train(args)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
