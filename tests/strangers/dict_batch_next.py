"""Sentiment of short made-up reviews: a step-based loop over next(iterator), batches are dictionaries."""

import argparse
import os
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--save-every", type=int, default=200)
parser.add_argument("--out", default="checkpoints")
args = parser.parse_args()

GOOD, BAD, WORDS, PAD = range(1, 11), range(11, 21), 60, 0


class Reviews(Dataset):
    def __init__(self, n, seed):
        rng = random.Random(seed)
        self.items = []
        for index in range(n):
            label = rng.randrange(2)
            words = [rng.randrange(21, WORDS) for _ in range(rng.randrange(4, 14))]
            for _ in range(rng.randrange(2, 5)):
                words.insert(rng.randrange(len(words)), rng.choice(GOOD if label else BAD))
            self.items.append({"id": index, "words": words, "label": label})

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def collate(items):
    longest = max(len(item["words"]) for item in items)
    ids = torch.full((len(items), longest), PAD)
    for row, item in enumerate(items):
        ids[row, : len(item["words"])] = torch.tensor(item["words"])
    return {
        "input_ids": ids,
        "attention_mask": (ids != PAD).long(),
        "labels": torch.tensor([item["label"] for item in items]),
        "ids": [item["id"] for item in items],
    }


class Classifier(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.embed = nn.Embedding(WORDS, dim, padding_idx=PAD)
        self.body = nn.GRU(dim, dim, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(2 * dim, 2)

    def forward(self, input_ids, attention_mask):
        hidden, _ = self.body(self.embed(input_ids))
        mask = attention_mask.unsqueeze(-1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return self.head(self.drop(pooled))


def evaluate(model, loader):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for batch in loader:
            logits = model(batch["input_ids"], batch["attention_mask"])
            right += (logits.argmax(-1) == batch["labels"]).sum().item()
            total += len(batch["labels"])
    model.train()
    return right / total


def main():
    torch.manual_seed(7)
    os.makedirs(args.out, exist_ok=True)
    train_loader = DataLoader(Reviews(480, 1), batch_size=args.batch_size, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(Reviews(120, 2), batch_size=40, collate_fn=collate)
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / 50))
    criterion = nn.CrossEntropyLoss()

    iterator = iter(train_loader)
    for step in range(1, args.steps + 1):
        try:
            batch = next(iterator)
        except StopIteration:
            iterator = iter(train_loader)
            batch = next(iterator)
        optimizer.zero_grad()
        loss = criterion(model(batch["input_ids"], batch["attention_mask"]), batch["labels"])
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 20 == 0:
            print(f"step {step} loss {loss.item()!r} first review {batch['ids'][0]}")
        if step % args.save_every == 0:
            accuracy = evaluate(model, val_loader)
            state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "acc": accuracy}
            torch.save(state, os.path.join(args.out, f"step{step}.pt"))
            print(f"step {step} validation accuracy {accuracy!r}")
    print("digest", sum(p.double().sum().item() for p in model.parameters()).hex())


if __name__ == "__main__":
    main()
