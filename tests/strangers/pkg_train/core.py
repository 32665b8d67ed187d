from dataclasses import dataclass


@dataclass
class Config:
    steps: int = 15
    lr: float = 0.05


def square(x):
    return x * x


def run(config):
    import torch  # late, as some do to keep --help quick

    torch.manual_seed(1)
    layer = torch.nn.Bilinear(4, 3, 2)
    optimizer = torch.optim.ASGD(layer.parameters(), lr=config.lr)
    for step in range(config.steps):
        a, b = torch.randn(8, 4), torch.randn(8, 3)
        loss = torch.nn.functional.kl_div(layer(a, b).log_softmax(1), torch.full((8, 2), 0.5), reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"{__name__} {step} loss {loss.item()!r}")
    print("digest", layer.weight.double().sum().item().hex())
