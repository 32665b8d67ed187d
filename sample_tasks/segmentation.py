"""Segmentation: find the discs and the squares in noisy 32×32 pictures, pixel by pixel, with a tiny U-Net.

    dlmon sample_tasks/segmentation.py

Dict batches, an object-oriented trainer, a learning-rate schedule by batch (OneCycleLR), gradient clipping, and class
weights, because most pixels are background. The first loss is therefore a little away from ln 3 = 1.099.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BACKGROUND, DISC, SQUARE = range(3)


@dataclass
class Config:
    epochs: int = 6
    train_size: int = 512
    batch_size: int = 16
    max_lr: float = 3e-3
    seed: int = 7
    log_every: int = 8


class ShapesDataset(Dataset[dict[str, Tensor]]):
    """Pictures with one disc and one square each; `image` 3×32×32 float, `mask` 32×32 long with values 0, 1, 2."""

    size = 32

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        self.grid = torch.stack(torch.meshgrid(torch.arange(self.size), torch.arange(self.size), indexing="ij"))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = random.Random(self.seed * 1_000_003 + index)  # each index draws the same picture each time
        rows, columns = self.grid
        mask = torch.full((self.size, self.size), BACKGROUND)
        r, c, radius = rng.randrange(6, 26), rng.randrange(6, 26), rng.randrange(3, 7)
        mask[(rows - r) ** 2 + (columns - c) ** 2 <= radius**2] = DISC
        top, left, side = rng.randrange(0, 24), rng.randrange(0, 24), rng.randrange(5, 9)
        mask[top : top + side, left : left + side] = SQUARE
        colours = torch.tensor([[0.1, 0.1, 0.1], [0.8, 0.4, 0.3], [0.3, 0.5, 0.8]])
        noise = torch.randn(3, self.size, self.size, generator=torch.Generator().manual_seed(self.seed + index))
        image = colours[mask].permute(2, 0, 1) + 0.25 * noise
        return {"image": image, "mask": mask}


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.GroupNorm(4, outputs),
        nn.SiLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.GroupNorm(4, outputs),
        nn.SiLU(inplace=True),
    )


class TinyUNet(nn.Module):
    def __init__(self, channels: int = 3, classes: int = 3, width: int = 8) -> None:
        super().__init__()
        self.down1 = double_conv(channels, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.merge2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge1 = double_conv(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        d1 = self.down1(image)
        d2 = self.down2(F.max_pool2d(d1, 2))
        x = self.bottom(F.max_pool2d(d2, 2))
        x = self.merge2(torch.cat([self.up2(x), d2], dim=1))  # the skip connections that make it a U
        x = self.merge1(torch.cat([self.up1(x), d1], dim=1))
        return self.head(x)


class Trainer:
    def __init__(self, config: Config) -> None:
        self.config = config
        torch.set_num_threads(1)  # for networks this small, more threads only get in each other's way
        torch.manual_seed(config.seed)
        self.model = TinyUNet()
        self.train_loader = DataLoader(ShapesDataset(config.train_size, 1), config.batch_size, shuffle=True)
        self.val_loader = DataLoader(ShapesDataset(config.train_size // 4, 2), config.batch_size)
        self.criterion = nn.CrossEntropyLoss(weight=torch.tensor([0.3, 1.0, 1.0]))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.max_lr, weight_decay=1e-2)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=config.max_lr, total_steps=config.epochs * len(self.train_loader)
        )
        self.step = 0

    def fit(self) -> None:
        for epoch in range(self.config.epochs):
            self.model.train()
            for batch in self.train_loader:
                self.training_step(batch)
            loss, iou = self.validate()
            print(f"epoch {epoch + 1}/{self.config.epochs}  val loss {loss:.4f}  mean IoU {iou:.3f}")

    def training_step(self, batch: dict[str, Tensor]) -> None:
        loss = self.criterion(self.model(batch["image"]), batch["mask"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)
        self.optimizer.step()
        self.scheduler.step()  # OneCycleLR counts batches, so it belongs here and not after the epoch
        self.step += 1
        if self.config.log_every and self.step % self.config.log_every == 0:
            print(f"step {self.step} loss {loss.item()!r} lr {self.scheduler.get_last_lr()[0]:.3e}")

    @torch.inference_mode()
    def validate(self) -> tuple[float, float]:
        """Mean loss and mean intersection over union of the three classes."""
        self.model.eval()
        losses, overlap, union = [], torch.zeros(3), torch.zeros(3)
        for batch in self.val_loader:
            logits = self.model(batch["image"])
            losses.append(self.criterion(logits, batch["mask"]).item())
            for k in range(3):
                predicted, true = logits.argmax(1) == k, batch["mask"] == k
                overlap[k] += (predicted & true).sum()
                union[k] += (predicted | true).sum()
        return sum(losses) / len(losses), (overlap / union.clamp(min=1)).mean().item()

    def fingerprint(self) -> str:
        weights = b"".join(bytes(t.flatten().view(torch.uint8).tolist()) for t in self.model.state_dict().values())
        return hashlib.sha256(weights).hexdigest()[:16]


def parse_args() -> Config:
    parser = argparse.ArgumentParser()
    for name, default in vars(Config()).items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    return Config(**vars(parser.parse_args()))


if __name__ == "__main__":
    trainer = Trainer(parse_args())
    trainer.fit()
    print(f"weights {trainer.fingerprint()}")
