"""torchrun --nproc-per-node 2: DDP with no_sync accumulation, SyncBatchNorm left out (CPU), a barrier and gathers."""
import os
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(100 + rank)
net = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.Tanh(), torch.nn.Linear(10, 2))
ddp = DistributedDataParallel(net, find_unused_parameters=False)
opt = torch.optim.SGD(ddp.parameters(), lr=0.1, momentum=0.9)
lines = []
for step in range(12):
    opt.zero_grad()
    with ddp.no_sync():
        (torch.nn.functional.cross_entropy(ddp(torch.randn(8, 6)), torch.randint(2, (8,))) / 2).backward()
    loss = torch.nn.functional.cross_entropy(ddp(torch.randn(8, 6)), torch.randint(2, (8,))) / 2
    loss.backward()
    opt.step()
    lines.append(f"rank {rank} step {step} loss {loss.item().hex()}")
gathered = [None, None]
dist.all_gather_object(gathered, lines + [f"digest {net[0].weight.double().sum().item().hex()} {torch.rand(1).item().hex()}"])
if rank == 0:
    print("\n".join(line for one in gathered for line in one), flush=True)
dist.barrier()
dist.destroy_process_group()
