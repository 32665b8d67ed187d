"""torchrun --nproc-per-node 2: FSDP2 on the CPU. Parameters are DTensors; a norm of one is a collective."""
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo")
rank = dist.get_rank()
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
for layer in net:
    if isinstance(layer, torch.nn.Linear):
        fully_shard(layer, mesh=mesh)
fully_shard(net, mesh=mesh)
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
torch.manual_seed(10 + rank)
lines = []
for step in range(10):
    x = torch.randn(8, 8)
    loss = torch.nn.functional.mse_loss(net(x), x[:, :4])
    opt.zero_grad()
    loss.backward()
    opt.step()
    lines.append(f"rank {rank} step {step} loss {loss.item().hex()}")
total = sum(p.full_tensor().double().sum().item() for p in net.parameters())
gathered = [None, None]
dist.all_gather_object(gathered, lines + [f"digest {total.hex()}"])
if rank == 0:
    print("\n".join(line for one in gathered for line in one), flush=True)
dist.barrier()
dist.destroy_process_group()
