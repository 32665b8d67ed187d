"""Small scripts with one fault each: by the rule that must name it, on the line that ends in `# HERE`."""

from __future__ import annotations

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
"""

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.drop(F.relu(self.fc1(x))))

"""

DATA = """
loader = DataLoader(TensorDataset(torch.randn(64, 8), torch.randint(3, (64,))), batch_size=8, shuffle=True)
model = Net()
optimizer = optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
"""

SETUP = HEAD + NET + DATA

BROKEN: dict[str, tuple[str, str]] = {
    "no zero_grad in a helper": ("no_zero_grad", SETUP + """
def step(x, y):
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()  # HERE

for x, y in loader:
    step(x, y)
"""),
    "zero_grad once per epoch only": ("no_zero_grad", SETUP + """
for epoch in range(3):
    optimizer.zero_grad()
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()  # HERE
"""),
    "no zero_grad in a trainer class": ("no_zero_grad", HEAD + NET + """
class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = optim.SGD(model.parameters(), lr=0.1)
        self.loss_fn = nn.CrossEntropyLoss()

    def fit(self, loader):
        for x, y in loader:
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            self.optimizer.step()  # HERE
"""),
    "no backward": ("no_backward", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    optimizer.step()  # HERE
"""),
    "no step": ("no_step", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()  # HERE
    print(loss.item())
"""),
    "step without parentheses": ("not_called", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step  # HERE
"""),
    "zero_grad after backward": ("zero_grad_after_backward", SETUP + """
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.zero_grad()  # HERE
    optimizer.step()
"""),
    "model.zero_grad after backward": ("zero_grad_after_backward", SETUP + """
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
    model.zero_grad()  # HERE
    optimizer.step()
"""),
    "clip before backward": ("clip_before_backward", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # HERE
    loss.backward()
    optimizer.step()
"""),
    "clip after step": ("clip_after_step", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # HERE
"""),
    "clip without unscale": ("clip_without_unscale", SETUP + """
scaler = torch.amp.GradScaler()
for x, y in loader:
    optimizer.zero_grad()
    with torch.autocast("cuda"):
        loss = criterion(model(x), y)
    scaler.scale(loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # HERE
    scaler.step(optimizer)
    scaler.update()
"""),
    "step past the scaler": ("scaler_not_used_for_step", SETUP + """
scaler = torch.cuda.amp.GradScaler()
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    scaler.scale(loss).backward()
    optimizer.step()  # HERE
    scaler.update()
"""),
    "scaler never updated": ("scaler_not_updated", SETUP + """
scaler = torch.cuda.amp.GradScaler()
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(criterion(model(x), y)).backward()
    scaler.step(optimizer)  # HERE
"""),
    "softmax in the call": ("softmax_before_ce", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(F.softmax(model(x), dim=1), y)  # HERE
    loss.backward()
    optimizer.step()
"""),
    "softmax in a Sequential": ("softmax_before_ce", HEAD + """
def build():
    return nn.Sequential(nn.Linear(8, 3), nn.Softmax(dim=-1))

def train(model, loader, loss_fn):
    opt = optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        opt.zero_grad()
        out = model(x)
        loss = loss_fn(out, y)  # HERE
        loss.backward()
        opt.step()

train(build(), [], nn.CrossEntropyLoss())
"""),
    "softmax as a method": ("softmax_before_ce", HEAD + """
class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.body = nn.Sequential(nn.Linear(8, 3))

    def forward(self, x):
        x = self.body(x)
        return x.softmax(1)

net = Net()
for x, y in []:
    loss = F.cross_entropy(net(x), y)  # HERE
"""),
    "sigmoid before BCEWithLogits": ("sigmoid_before_bce_logits", HEAD + """
model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
criterion = nn.BCEWithLogitsLoss()
for x, y in []:
    loss = criterion(model(x).squeeze(1), y)  # HERE
"""),
    "logits into BCELoss": ("bce_on_logits", HEAD + """
model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
for x, y in []:
    loss = nn.BCELoss()(model(x).view(-1), y)  # HERE
"""),
    "logits into nll_loss": ("nll_without_log_softmax", SETUP + """
for x, y in loader:
    loss = F.nll_loss(model(x), y)  # HERE
"""),
    "softmax into NLLLoss": ("nll_without_log_softmax", SETUP + """
nll = nn.NLLLoss()
for x, y in loader:
    p = torch.softmax(model(x), dim=1)
    loss = nll(p, y)  # HERE
"""),
    "kl_div of probabilities": ("kl_div_of_probabilities", SETUP + """
for x, y in loader:
    loss = F.kl_div(F.softmax(model(x), dim=1), y)  # HERE
"""),
    "softmax over the batch": ("softmax_over_batch", SETUP + """
for x, y in loader:
    logp = F.log_softmax(model(x), dim=0)  # HERE
    loss = F.nll_loss(logp, y)
"""),
    "log of a sigmoid": ("log_of_probability", SETUP + """
for x, y in loader:
    p = torch.sigmoid(model(x))
    loss = -(y * torch.log(p)).mean()  # HERE
"""),
    "one column against a vector": ("loss_broadcast", HEAD + """
x, y = torch.randn(64, 4), torch.randn(64)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
for a, b in DataLoader(TensorDataset(x, y), shuffle=True):
    loss = F.mse_loss(model(a), b)  # HERE
"""),
    "no super().__init__()": ("no_super_init", HEAD + """
class Net(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(8, 3)  # HERE

    def forward(self, x):
        return self.fc(x)
"""),
    "super().__init__() too late": ("no_super_init", HEAD + """
class Net(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(8, 3)  # HERE
        super().__init__()

    def forward(self, x):
        return self.fc(x)
"""),
    "list of layers": ("modules_in_list", HEAD + """
class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = [nn.Linear(8, 8) for _ in range(n)]  # HERE

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x
"""),
    "list that is appended to": ("modules_in_list", HEAD + """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(x)

class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.blocks = []  # HERE
        for _ in range(n):
            self.blocks.append(Block())

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x
"""),
    "foward": ("forward_misspelt", HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def foward(self, x):  # HERE
        return self.fc(x)
"""),
    "layer not used": ("layer_unused", HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 8)
        self.fc2 = nn.Linear(8, 8)  # HERE
        self.fc3 = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc1(x)))
"""),
    "sizes of a Sequential": ("layer_sizes", HEAD + """
model = nn.Sequential(
    nn.Linear(784, 256),
    nn.ReLU(),
    nn.Linear(128, 10),  # HERE
)
"""),
    "channels of convolutions": ("layer_sizes", HEAD + """
class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.c1 = nn.Conv2d(3, 16, 3)
        self.bn = nn.BatchNorm2d(16)
        self.c2 = nn.Conv2d(32, 64, 3)  # HERE

    def forward(self, x):
        return self.c2(F.relu(self.bn(self.c1(x))))
"""),
    "target first": ("loss_arguments_swapped", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(y, model(x))  # HERE
    loss.backward()
    optimizer.step()
"""),
    "class numbers as floats": ("target_dtype", SETUP + """
for x, y in loader:
    out = model(x)
    loss = criterion(out, y.float())  # HERE
    right = (out.argmax(1) == y).sum()
"""),
    "long targets for BCE": ("target_dtype", SETUP + """
for x, y in loader:
    loss = F.binary_cross_entropy_with_logits(model(x)[:, 0], y.long())  # HERE
"""),
    "item before backward": ("loss_detached", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y).item()  # HERE
    loss.backward()
    optimizer.step()
"""),
    "loss put into a new tensor": ("loss_detached", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss = torch.tensor(loss, requires_grad=True)  # HERE
    loss.backward()
    optimizer.step()
"""),
    "forward under no_grad": ("backward_of_no_grad", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    with torch.no_grad():
        out = model(x)
        loss = criterion(out, y)
    loss.backward()  # HERE
    optimizer.step()
"""),
    "loss of an argmax": ("argmax_in_loss", SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    guess = model(x).argmax(dim=1).float()
    loss = F.mse_loss(guess, y.float())  # HERE
    loss.backward()
    optimizer.step()
"""),
    "sum of losses with graphs": ("loss_kept_with_graph", SETUP + """
for epoch in range(3):
    total = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss * x.size(0)  # HERE
    print(total / 64)
"""),
    "list of losses with graphs": ("loss_kept_with_graph", SETUP + """
history = []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    history.append(loss)  # HERE
"""),
    "eval in the epoch loop": ("train_mode_not_restored", SETUP + """
model.train()
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    model.eval()  # HERE
    with torch.no_grad():
        for x, y in loader:
            model(x)
"""),
    "never eval": ("eval_without_eval_mode", SETUP + """
def evaluate(model, val_loader):
    hits = 0
    with torch.no_grad():
        for x, y in val_loader:
            hits += (model(x).argmax(1) == y).sum().item()  # HERE
    return hits

for x, y in loader:
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
print(evaluate(model, loader))
"""),
    "evaluation with a graph": ("eval_without_no_grad", SETUP + """
model.eval()
for x, y in test_loader:
    print((model(x).argmax(1) == y).sum().item())  # HERE
"""),
    "method instead of parameters": ("optimizer_arguments", HEAD + """
model = nn.Linear(3, 3)
optimizer = optim.SGD(model.parameters, lr=0.1)  # HERE
"""),
    "model instead of parameters": ("optimizer_arguments", HEAD + NET + """
model = Net()
optimizer = optim.SGD(model, lr=0.1)  # HERE
"""),
    "head replaced after the optimizer": ("layer_replaced_after_optimizer", SETUP + """
model.fc2 = nn.Linear(16, 5)  # HERE
for x, y in loader:
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
"""),
    "only the head in the optimizer": ("optimizer_of_one_part", HEAD + NET + """
model = Net()
optimizer = optim.SGD(model.fc2.parameters(), lr=0.1)  # HERE
for x, y in []:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
"""),
    "Adam with lr 1": ("lr_too_high", HEAD + NET + """
LR = 1.0
model = Net()
optimizer = optim.Adam(model.parameters(), lr=LR)  # HERE
"""),
    "scheduler first": ("scheduler_before_optimizer", SETUP + """
scheduler = optim.lr_scheduler.StepLR(optimizer, 10)
for epoch in range(3):
    scheduler.step()  # HERE
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
"""),
    "plateau without a metric": ("plateau_without_metric", SETUP + """
scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    scheduler.step()  # HERE
"""),
    "plateau in the wrong mode": ("plateau_mode", SETUP + """
scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max")
for epoch in range(3):
    val_loss = 1.0
    scheduler.step(val_loss)  # HERE
"""),
    "cosine of epochs per batch": ("scheduler_period", SETUP + """
epochs = 10
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
for epoch in range(epochs):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()  # HERE
"""),
    "train loader in order": ("train_not_shuffled", HEAD + """
train_set = TensorDataset(torch.randn(64, 8), torch.randint(3, (64,)))
train_loader = DataLoader(train_set, batch_size=8)  # HERE
"""),
    "test loader shuffled": ("test_shuffled", HEAD + """
test_loader = DataLoader(TensorDataset(torch.randn(64, 8)), shuffle=True)  # HERE
"""),
    "workers without a guard": ("workers_without_main_guard", HEAD + """
loader = DataLoader(TensorDataset(torch.randn(64, 8)), num_workers=4)  # HERE
for (x,) in loader:
    print(x.sum())
"""),
    "images from 0 to 1": ("images_not_normalised", HEAD + """
from torchvision import transforms
augment = transforms.Compose([transforms.RandomCrop(28), transforms.ToTensor()])  # HERE
"""),
    "cuda without a check": ("cuda_without_check", HEAD + NET + """
model = Net().cuda()  # HERE
"""),
    "one GPU by number": ("device_hard_coded", HEAD + """
device = torch.device("cuda:3")  # HERE
"""),
    "torch.load": ("load_without_weights_only", HEAD + NET + """
model = Net()
model.load_state_dict(torch.load("best.pt"))  # HERE
"""),
    "no seed": ("no_seed", """\
import torch  # HERE
from torch import nn
model = nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(10):
    opt.zero_grad()
    model(torch.randn(4, 2)).sum().backward()
    opt.step()
"""),
    "functional dropout": ("functional_dropout", HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = F.dropout(x, 0.5)  # HERE
        return self.fc(x)
"""),
    "accuracy that floors": ("floor_division", """
def score(correct, total):
    accuracy = correct // total  # HERE
    return accuracy
"""),
    "update of a leaf": ("leaf_updated_in_place", HEAD + """
w = torch.randn(3, requires_grad=True)
for _ in range(10):
    loss = (w ** 2).sum()
    loss.backward()
    w -= 0.1 * w.grad  # HERE
"""),
    "view for permute": ("view_for_permute", HEAD + """
def to_nhwc(x):
    B, C, H, W = x.shape
    return x.view(B, H, W, C)  # HERE
"""),
    "logits equal labels": ("logits_compared", SETUP + """
for x, y in loader:
    out = model(x)
    hits = (out == y).sum()  # HERE
"""),
    "logits above one half": ("logits_compared", SETUP + """
for x, y in loader:
    out = model(x)[:, 0]
    loss = F.binary_cross_entropy_with_logits(out, y.float())
    hits = ((out > 0.5) == y).sum()  # HERE
"""),
}  # fmt: skip
