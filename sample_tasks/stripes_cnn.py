"""Stripes: is a noisy 16×16 picture striped vertically, horizontally or diagonally?

A first training script to try dlmon with. Nothing is downloaded: the pictures are drawn here.

    dlmon sample_tasks/stripes_cnn.py                   # a tiny convolutional network, about 40 s on a laptop
    dlmon sample_tasks/stripes_cnn.py --model linear    # the baseline: one linear layer on the flattened picture

What to watch: the loss starts near ln 3 = 1.099 (three classes, pure guessing) and falls; the linear baseline
stays far behind, because the stripes sit at another offset in each picture and a linear layer cannot slide along.
"""

import argparse
import hashlib
import math
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

CLASSES = ("vertical", "horizontal", "diagonal")
SIZE = 16


class Stripes(Dataset):
    """`length` pictures of shape 1×16×16, each with its class 0, 1 or 2. The same seed draws the same pictures."""

    def __init__(self, length, seed, noise=2.2):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(len(CLASSES), (length,), generator=generator)
        self.offsets = torch.rand(length, generator=generator) * 2 * math.pi
        self.widths = 3.0 + 3.0 * torch.rand(length, generator=generator)  # one dark and one light stripe, pixels
        self.noise = torch.randn(length, 1, SIZE, SIZE, generator=generator) * noise
        rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
        self.coordinates = (columns, rows, (columns + rows) / math.sqrt(2))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        label = self.labels[index]
        position = self.coordinates[label]
        picture = torch.sin(position * 2 * math.pi / self.widths[index] + self.offsets[index])
        return picture.unsqueeze(0) + self.noise[index], label


def linear_baseline():
    return nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, len(CLASSES)))


class TinyCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 16×16 → 8×8
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 8×8 → 4×4
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(32 * 4 * 4, len(CLASSES))

    def forward(self, x):
        x = self.features(x)
        return self.classifier(self.dropout(x.flatten(start_dim=1)))


def train_one_epoch(model, loader, criterion, optimizer, epoch, args):
    model.train()
    total_loss, seen = 0.0, 0
    progress = tqdm(loader, desc=f"epoch {epoch}/{args.epochs}", leave=False)
    for step, (pictures, labels) in enumerate(progress, start=1):
        optimizer.zero_grad()
        logits = model(pictures)
        loss = criterion(logits, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        seen += len(labels)
        progress.set_postfix(loss=f"{total_loss / seen:.4f}")
        if args.log_every and step % args.log_every == 0:
            tqdm.write(f"epoch {epoch} step {step} loss {loss.item()!r}")
    return total_loss / seen


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    total_loss, correct, seen = 0.0, 0, 0
    for pictures, labels in loader:
        logits = model(pictures)
        total_loss += criterion(logits, labels).item() * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum().item()
        seen += len(labels)
    return total_loss / seen, correct / seen


def fingerprint(model):
    """A short digest of all weights: two runs that print the same one ended with the very same network."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(bytes(tensor.flatten().view(torch.uint8).tolist()))
    return digest.hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description="Classify stripes.")
    parser.add_argument("--model", choices=("cnn", "linear"), default="cnn")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--train-size", type=int, default=12_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--log-every", type=int, default=0, help="print the loss every so many steps (0: never)")
    parser.add_argument("--out", type=Path, default=Path("outputs"))
    args = parser.parse_args()

    torch.set_num_threads(1)  # for networks this small, more threads only get in each other's way
    torch.manual_seed(args.seed)
    # Three different seeds: no picture is in two of the sets.
    train_set = Stripes(args.train_size, seed=args.seed)
    val_set = Stripes(args.train_size // 8, seed=args.seed + 1)
    test_set = Stripes(args.train_size // 8, seed=args.seed + 2)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=256)
    test_loader = DataLoader(test_set, batch_size=256)

    model = TinyCNN() if args.model == "cnn" else linear_baseline()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / f"stripes_{args.model}.pt"
    best = math.inf
    for epoch in range(1, args.epochs + 1):
        train_loss = train_one_epoch(model, train_loader, criterion, optimizer, epoch, args)
        val_loss, val_accuracy = evaluate(model, val_loader, criterion)
        print(f"epoch {epoch}: train loss {train_loss:.4f}, val loss {val_loss:.4f}, val accuracy {val_accuracy:.1%}")
        if val_loss < best:
            best = val_loss
            torch.save(model.state_dict(), checkpoint)

    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    test_loss, test_accuracy = evaluate(model, test_loader, criterion)
    print(f"best checkpoint on unseen pictures: loss {test_loss:.4f}, accuracy {test_accuracy:.1%}")
    print(f"weights {fingerprint(model)}")


if __name__ == "__main__":
    main()
