import itertools
import torch
from torch.utils.data import IterableDataset, DataLoader


class Stream(IterableDataset):
    def __iter__(self):
        g = torch.Generator().manual_seed(55)
        for n in itertools.count():
            length = 3 + n % 4
            yield {"tokens": torch.randint(1, 30, (length,), generator=g), "meta": {"id": n, "name": f"doc-{n}"}}


def collate(items):
    tokens = torch.nn.utils.rnn.pad_sequence([i["tokens"] for i in items], batch_first=True)
    return {"tokens": tokens, "mask": tokens != 0, "names": [i["meta"]["name"] for i in items]}


torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Embedding(30, 16, padding_idx=0), torch.nn.Linear(16, 30))
opt = torch.optim.SparseAdam(list(torch.nn.Embedding(2, 2, sparse=True).parameters()))  # made, never used
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step, batch in enumerate(DataLoader(Stream(), batch_size=4, collate_fn=collate)):
    inputs, targets = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
    logits = model(inputs)
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, batch["names"][0], tuple(inputs.shape), "loss", loss.item().hex())
    if step == 24:
        break
print("digest", model[0].weight.double().sum().item().hex())
