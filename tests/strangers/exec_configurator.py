"""nanoGPT's configurator: globals are overridden from the command line by exec."""
import os
import sys
import torch
from ast import literal_eval

# -----------------------------------------------------------------------------
max_iters = 50
learning_rate = 0.01
init_from = "scratch"
config_keys = [k for k, v in globals().items() if not k.startswith("_") and isinstance(v, (int, float, bool, str))]
exec(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "configurator.txt")).read())
config = {k: globals()[k] for k in config_keys}
print(config)
# -----------------------------------------------------------------------------
torch.manual_seed(1337)
model = torch.nn.Embedding(17, 17)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
tokens = torch.randint(17, (400,))
for iter_num in range(max_iters):
    ix = torch.randint(len(tokens) - 9, (8,))
    x = torch.stack([tokens[i : i + 8] for i in ix])
    y = torch.stack([tokens[i + 1 : i + 9] for i in ix])
    loss = torch.nn.functional.cross_entropy(model(x).view(-1, 17), y.view(-1))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    print(f"iter {iter_num}: loss {loss.item()!r}")
print("digest", model.weight.double().square().sum().item())
print(sorted(k for k in globals() if not k.startswith("__")))
