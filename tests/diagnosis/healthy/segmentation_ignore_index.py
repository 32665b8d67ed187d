"""Segmentation with an ignored class."""

from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import PolynomialLR
from torch.utils.data import DataLoader, Dataset

IGNORE = 255
torch.manual_seed(31)


class Scenes(Dataset):
    def __init__(self, n, seed):
        self.n, self.seed = n, seed

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(self.seed * 100000 + i)
        img = torch.rand(3, 32, 32, generator=g) * 0.3
        mask = torch.zeros(32, 32, dtype=torch.long)
        for c in (1, 2):
            y, x = torch.randint(0, 20, (2,), generator=g).tolist()
            s = int(torch.randint(6, 12, (1,), generator=g))
            img[c, y : y + s, x : x + s] += 0.7
            mask[y : y + s, x : x + s] = c
        mask[0] = mask[-1] = IGNORE
        mask[:, 0] = mask[:, -1] = IGNORE
        return img, mask


class UNetish(nn.Module):
    def __init__(self, c=16, classes=3):
        super().__init__()

        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))

        self.d1, self.d2 = block(3, c), block(c, 2 * c)
        self.up = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.u1 = block(2 * c, c)
        self.out = nn.Conv2d(c, classes, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        return {"out": self.out(self.u1(torch.cat([a, self.up(b)], 1)))}


def main(epochs=4):
    tl = DataLoader(Scenes(320, 1), batch_size=16, shuffle=True, num_workers=1, persistent_workers=True)
    vl = DataLoader(Scenes(64, 2), batch_size=16)
    m = UNetish()
    opt = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    sch = PolynomialLR(opt, total_iters=epochs * len(tl), power=0.9)
    w = torch.tensor([0.3, 1.0, 1.0])
    for ep in range(epochs):
        m.train()
        for img, mask in tl:
            loss = F.cross_entropy(m(img)["out"], mask, weight=w, ignore_index=IGNORE)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sch.step()
        m.eval()
        inter = torch.zeros(3)
        union = torch.zeros(3)
        with torch.no_grad():
            for img, mask in vl:
                p = m(img)["out"].argmax(1)
                ok = mask != IGNORE
                for c in range(3):
                    a, b = (p == c) & ok, (mask == c) & ok
                    inter[c] += (a & b).sum()
                    union[c] += (a | b).sum()
        print(f"epoch {ep} loss {loss.item():.4f} mIoU {(inter / union).mean().item():.4f}")
        Path("runs").mkdir(exist_ok=True)
        torch.save(m.state_dict(), Path("runs") / f"model_{ep}.pth")


if __name__ == "__main__":
    main()
