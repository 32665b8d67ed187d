"""Healthy scripts in many styles: no rule may raise an error or a warning on any of them."""

from __future__ import annotations

from tests.review.broken_cases import HEAD, NET, SETUP

HEALTHY: dict[str, str] = {
    "plain": SETUP + """
for epoch in range(3):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(x)
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            print((model(x).argmax(1) == y).sum())
""",
    "zero_grad after step": SETUP + """
for x, y in loader:
    criterion(model(x), y).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
""",
    "accumulation": SETUP + """
accumulate = 4
optimizer.zero_grad()
for i, (x, y) in enumerate(loader):
    loss = criterion(model(x), y) / accumulate
    loss.backward()
    if (i + 1) % accumulate == 0:
        optimizer.step()
        optimizer.zero_grad()
""",
    "accumulation with micro batches": SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    total = 0
    for xs, ys in zip(x.chunk(4), y.chunk(4)):
        loss = criterion(model(xs), ys) / 4
        loss.backward()
        total += loss.item()
    optimizer.step()
""",
    "one backward for a sum of losses": SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    losses = []
    total = 0
    for part in x.chunk(4):
        loss = criterion(model(part), y[: len(part)])
        losses.append(loss)
        total += loss
    total = total + sum(losses)
    total.backward()
    optimizer.step()
""",
    "truncated backpropagation through time": HEAD + """
rnn, head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 1)
opt = optim.Adam([*rnn.parameters(), *head.parameters()])
state = None
for t in range(20):
    x, y = torch.randn(4, 5, 3), torch.randn(4, 5, 1)
    out, state = rnn(x, state)
    state = tuple(s.detach() for s in state)
    loss = F.mse_loss(head(out), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
""",
    "gradients cleared by hand": SETUP + """
for x, y in loader:
    for p in model.parameters():
        p.grad = None
    criterion(model(x), y).backward()
    optimizer.step()
""",
    "gradients zeroed in place": SETUP + """
for x, y in loader:
    criterion(model(x), y).backward()
    optimizer.step()
    for p in model.parameters():
        p.grad.detach_()
        p.grad.zero_()
""",
    "closure": SETUP + """
optimizer = optim.LBFGS(model.parameters(), lr=1)
x, y = next(iter(loader))
def closure():
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    return loss
for i in range(10):
    optimizer.step(closure)
""",
    "closure as a lambda": SETUP + """
for x, y in loader:
    def evaluate():
        model.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        return loss
    optimizer.step(lambda: evaluate())
""",
    "helper functions": SETUP + """
def clear(optimizers):
    for one in optimizers:
        one.zero_grad()

def forward_backward(x, y):
    loss = criterion(model(x), y)
    loss.backward()
    return loss.detach()

for x, y in loader:
    clear([optimizer])
    forward_backward(x, y)
    optimizer.step()
""",
    "scheduled optimizer class": SETUP + """
class Warmup:
    def __init__(self, optimizer):
        self.optimizer, self.n = optimizer, 0

    def step_and_update(self):
        self.n += 1
        self.optimizer.step()
        self.optimizer.zero_grad()

    def zero_grad(self):
        self.optimizer.zero_grad()

warm = Warmup(optimizer)
for x, y in loader:
    criterion(model(x), y).backward()
    warm.step_and_update()
""",
    "optimizer of its own": HEAD + """
class Sgd(optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad
                p.grad = None

model = nn.Linear(3, 1)
optimizer = Sgd(model.parameters(), 0.1)
for i in range(10):
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
""",
    "GradScaler in full": SETUP + """
scaler = torch.amp.GradScaler("cuda")
for x, y in loader:
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cuda", dtype=torch.float16):
        loss = criterion(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
""",
    "GradScaler or not": SETUP + """
use_amp = torch.cuda.is_available()
scaler = torch.cuda.amp.GradScaler() if use_amp else None
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    if scaler is not None:
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    else:
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
""",
    "scaler object that does all": SETUP + """
from timm.utils import NativeScaler
loss_scaler = NativeScaler()
for x, y in loader:
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss_scaler(loss, optimizer, parameters=model.parameters())
""",
    "Accelerate": SETUP + """
from accelerate import Accelerator
accelerator = Accelerator()
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for x, y in loader:
    with accelerator.accumulate(model):
        loss = criterion(model(x), y)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
""",
    "Fabric": SETUP + """
from lightning.fabric import Fabric
fabric = Fabric()
model, optimizer = fabric.setup(model, optimizer)
for x, y in loader:
    optimizer.zero_grad()
    fabric.backward(criterion(model(x), y))
    fabric.clip_gradients(model, optimizer, max_norm=1.0)
    optimizer.step()
""",
    "Lightning": HEAD + """
import lightning as L

class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.Linear(16, 3))

    def training_step(self, batch, index):
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val", F.cross_entropy(self.net(x), y))

    def configure_optimizers(self):
        return optim.Adam(self.parameters(), lr=1e-3)

L.Trainer(max_epochs=2).fit(Lit(), DataLoader(TensorDataset(torch.randn(8, 8), torch.randint(3, (8,)))))
""",
    "Lightning by hand": HEAD + """
import pytorch_lightning as pl

class Gan(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.g, self.d = nn.Linear(4, 8), nn.Linear(8, 1)

    def training_step(self, batch, index):
        g_opt, d_opt = self.optimizers()
        for opt, loss in ((g_opt, self.d(self.g(batch)).mean()), (d_opt, -self.d(batch).mean())):
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
""",
    "HF Trainer": HEAD + """
from transformers import Trainer, TrainingArguments, AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained("x")
Trainer(model=model, args=TrainingArguments("out"), train_dataset=None).train()
""",
    "DeepSpeed": SETUP + """
import deepspeed
engine, optimizer, _, _ = deepspeed.initialize(model=model, optimizer=optimizer)
for x, y in loader:
    loss = criterion(engine(x), y)
    engine.backward(loss)
    engine.step()
""",
    "GAN": HEAD + """
G = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
D = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())
opt_g, opt_d = optim.Adam(G.parameters(), 2e-4), optim.Adam(D.parameters(), 2e-4)
bce = nn.BCELoss()
real = torch.ones(8, 1)
fake = torch.zeros(8, 1)
for x in loader:
    opt_d.zero_grad()
    made = G(torch.randn(8, 4))
    loss_d = bce(D(x), real) + bce(D(made.detach()), fake)
    loss_d.backward()
    opt_d.step()
    opt_g.zero_grad()
    loss_g = bce(D(made), real)
    loss_g.backward()
    opt_g.step()
    G.eval()
    with torch.no_grad():
        G(torch.randn(2, 4))
    G.train()
""",
    "WGAN with penalty": HEAD + """
G, D = nn.Linear(4, 8), nn.Linear(8, 1)
opt_g, opt_d = optim.Adam(G.parameters()), optim.Adam(D.parameters())
for i, x in enumerate(loader):
    for p in D.parameters():
        p.requires_grad = True
    D.zero_grad()
    eps = torch.rand(8, 1)
    mix = (eps * x + (1 - eps) * G(torch.randn(8, 4)).detach()).requires_grad_(True)
    grads = torch.autograd.grad(D(mix).sum(), mix, create_graph=True)[0]
    loss = D(G(torch.randn(8, 4))).mean() - D(x).mean() + 10 * (grads.norm(2, 1) - 1).square().mean()
    loss.backward()
    opt_d.step()
    for p in D.parameters():
        p.data.clamp_(-0.01, 0.01)
    if i % 5 == 0:
        G.zero_grad()
        (-D(G(torch.randn(8, 4))).mean()).backward()
        opt_g.step()
""",
    "actor critic": HEAD + """
class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved = []

    def forward(self, x):
        x = F.relu(self.body(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)

policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=3e-2)
env = make_env()
for episode in range(100):
    state, done = env.reset(), False
    rewards = []
    while not done:
        probs, value = policy(torch.as_tensor(state))
        m = torch.distributions.Categorical(probs)
        action = m.sample()
        state, reward, done, _ = env.step(action.item())
        policy.saved.append((m.log_prob(action), value))
        rewards.append(reward)
    losses = []
    for (logp, value), r in zip(policy.saved, rewards):
        losses.append(-logp * (r - value.item()) + F.smooth_l1_loss(value, torch.tensor([float(r)])))
    optimizer.zero_grad()
    torch.stack(losses).sum().backward()
    optimizer.step()
    del policy.saved[:]
""",
    "DQN with a target network": HEAD + """
import copy
q = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(q)
target.eval()
optimizer = optim.Adam(q.parameters())
for step in range(1000):
    s, a, r, n = sample()
    with torch.no_grad():
        goal = r + 0.99 * target(n).max(1).values
    loss = F.smooth_l1_loss(q(s).gather(1, a).squeeze(1), goal)
    optimizer.zero_grad()
    loss.backward()
    for p in q.parameters():
        p.grad.data.clamp_(-1, 1)
    optimizer.step()
    if step % 100 == 0:
        target.load_state_dict(q.state_dict())
""",
    "frozen backbone in eval mode": HEAD + """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        with torch.no_grad():
            x = self.backbone(x)
        return self.head(x)

model = Model()
for p in model.backbone.parameters():
    p.requires_grad_(False)
optimizer = optim.Adam(model.head.parameters(), lr=1e-3)
for epoch in range(3):
    model.train()
    model.backbone.eval()
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
""",
    "distillation": HEAD + """
student, teacher = nn.Linear(8, 3), nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.1))
optimizer = optim.SGD(student.parameters(), lr=0.1)
T = 4.0
for x, y in loader:
    teacher.eval()
    with torch.no_grad():
        soft = F.softmax(teacher(x) / T, dim=1)
    logits = student(x)
    loss = F.kl_div(F.log_softmax(logits / T, dim=1), soft, reduction="batchmean") + F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
    "early stopping and a reloaded model": SETUP + """
best = 9e9
for epoch in range(20):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        val = sum(criterion(model(x), y).item() for x, y in loader)
    if val < best:
        best = val
        torch.save(model.state_dict(), "best.pt")
model = Net()
model.load_state_dict(torch.load("best.pt", weights_only=True))
model.eval()
""",
    "train mode set by a wrapper": SETUP + """
def set_mode(net, training):
    net.train(training)

for epoch in range(3):
    for phase in ("train", "val"):
        set_mode(model, phase == "train")
        for x, y in loader:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                loss = criterion(model(x), y)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
""",
    "phases of the tutorial": SETUP + """
scheduler = optim.lr_scheduler.StepLR(optimizer, 7)
for epoch in range(3):
    for phase in ["train", "val"]:
        if phase == "train":
            model.train()
        else:
            model.eval()
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                outputs = model(inputs)
                _, preds = torch.max(outputs, 1)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
            running_loss += loss.item() * inputs.size(0)
        if phase == "train":
            scheduler.step()
""",
    "schedulers of all kinds": SETUP + """
one = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=24)
cosine = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10)
plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", patience=2)
accs = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max")
epochs = 3
full = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(loader))
for epoch in range(epochs):
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        one.step()
        full.step()
        cosine.step(epoch + i / len(loader))
    val_loss, val_acc = 1.0, 0.5
    plateau.step(val_loss)
    accs.step(val_acc)
""",
    "warm-up before the loop": SETUP + """
warmup = optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, s / 100))
optimizer.step()
for epoch in range(3):
    warmup.step()
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
""",
    "inference with softmax": HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        logits = self.fc(x)
        return logits if self.training else self.softmax(logits)

    def predict(self, x):
        return self.softmax(self.fc(x)).argmax(1)

net = Net()
for x, y in loader:
    F.cross_entropy(net(x), y)
""",
    "logits and probabilities": HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        logits = self.fc(x)
        return logits, F.softmax(logits, dim=1)

net = Net()
for x, y in loader:
    logits, probs = net(x)
    loss = F.cross_entropy(logits, y)
    loss = loss + F.cross_entropy(net(x)[0], y)
    log = -torch.log(probs + 1e-8)
""",
    "attention with softmax inside": HEAD + """
class Attention(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))
        self.drop = 0.1

    def forward(self, x):
        w = (self.q(x) @ self.k(x).transpose(-2, -1)).softmax(dim=-1)
        w = F.dropout(w, self.drop, training=self.training)
        w = F.dropout(w, self.drop, self.training)
        return self.out(w @ self.v(x))

net = Attention()
F.cross_entropy(net(torch.randn(2, 4, 8)).flatten(0, 1), torch.randint(8, (8,)))
""",
    "log_softmax and nll": SETUP + """
for x, y in loader:
    loss = F.nll_loss(F.log_softmax(model(x), dim=1), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "soft labels and mixup": SETUP + """
for x, y in loader:
    soft = F.one_hot(y, 3).float()
    lam = 0.7
    soft = lam * soft + (1 - lam) * soft.flip(0)
    loss = criterion(model(x), soft)
    loss = loss + criterion(model(x), F.one_hot(y, 3).float())
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "every way to use a layer": HEAD + """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):
        return self.lin(x)

class Net(nn.Module):
    def __init__(self, n=3):
        super().__init__()
        for i in range(n):
            setattr(self, f"fc{i}", nn.Linear(8, 8))
        self.n = n
        self.named = nn.ModuleDict({"a": nn.Linear(8, 8)})
        self.blocks = nn.ModuleList([Block() for _ in range(n)])
        self.seq = nn.Sequential(*[Block() for _ in range(n)])
        self.tied = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.other.weight = self.tied.weight
        self._inner = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(8))

    @property
    def inner(self):
        return self._inner

    def helper(self, x):
        return self.tied(x) * self.scale

    def forward(self, x):
        for i in range(self.n):
            x = getattr(self, f"fc{i}")(x)
        for block in self.blocks:
            x = block(x)
        return self.helper(self.inner(self.seq(self.named["a"](x))))
""",
    "layers used from outside": HEAD + """
class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 1000)

    def forward(self, x):
        return self.stem(x)

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(8, 8)

class Child(Base):
    def __init__(self):
        super().__init__()
        self.decoder = nn.Linear(8, 8)

    def forward(self, x):
        return self.decoder(self.encoder(x))

net = Backbone()
print(net.fc(net(torch.randn(2, 8))))
""",
    "lists that are no layers": HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for _ in range(3):
            layers.append(nn.Linear(8, 8))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)
        self.activations = [nn.ReLU(), nn.Tanh()]
        self.sizes = [8, 8]
        self.parts = [self.layers]
        self.hidden = [nn.Linear(8, 8) for _ in range(2)]
        self.hidden_modules = nn.ModuleList(self.hidden)

    def forward(self, x):
        for part in self.parts + self.hidden:
            x = self.activations[0](part(x))
        return x
""",
    "perceptual loss kept out of the parameters": HEAD + """
class Perceptual(nn.Module):
    def __init__(self):
        super().__init__()
        self.vgg = [nn.Conv2d(3, 8, 3).eval()]
        for p in self.vgg[0].parameters():
            p.requires_grad = False

    def forward(self, a, b):
        return F.mse_loss(self.vgg[0](a), self.vgg[0](b))
""",
    "data class module": HEAD + """
from dataclasses import dataclass

@dataclass(eq=False)
class Net(nn.Module):
    width: int = 8

    def __post_init__(self):
        super().__init__()
        self.fc = nn.Linear(self.width, 3)

    def forward(self, x):
        return self.fc(x)
""",
    "base without its own forward": HEAD + """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward_features(self, x):
        return self.fc(x)

class Child(Base):
    def forward(self, x):
        return self.forward_features(x)
""",
    "sizes that fit": HEAD + """
class Net(nn.Module):
    def __init__(self, width=16, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        )
        self.head = nn.Linear(2 * width * 4 * 4, 64)
        self.out = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.head(self.features(x)))
        return self.out(x)

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(32, 4)
        self.c = nn.Conv2d(3, 8, 3)
        self.d = nn.Linear(30, 4)

    def forward(self, x, image):
        h = self.a(x)
        h = torch.cat([h, h], dim=1)
        return self.b(h), self.d(self.c(image))

Two(), Net(32)
""",
    "by hand with no_grad": HEAD + """
w = torch.randn(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for _ in range(10):
    loss = (w * 2 + b).square().sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad.zero_()

def sgd(params, lr):
    for p in params:
        p.data -= lr * p.grad
        p.grad.data.zero_()
""",
    "adversarial examples": SETUP + """
def attack(x, y, eps=0.1):
    x = x.clone().detach().requires_grad_(True)
    F.cross_entropy(model(x), y).backward()
    return (x + eps * x.grad.sign()).detach()

for x, y in loader:
    adv = attack(x, y)
    optimizer.zero_grad()
    criterion(model(adv), y).backward()
    optimizer.step()
""",
    "saliency without an optimizer step": SETUP + """
for x, y in loader:
    x.requires_grad_(True)
    model(x)[:, 0].sum().backward()
    print(x.grad.abs().mean())
""",
    "gradient hooks that step": HEAD + """
model = nn.Linear(3, 3)
optimizers = {p: optim.SGD([p], lr=0.1) for p in model.parameters()}

def hook(p):
    optimizers[p].step()
    optimizers[p].zero_grad()

for p in model.parameters():
    p.register_post_accumulate_grad_hook(hook)
for i in range(10):
    model(torch.randn(2, 3)).sum().backward()
""",
    "callbacks": SETUP + """
class Clear:
    def before(self, trainer):
        trainer.optimizer.zero_grad()

class Trainer:
    def __init__(self, model, optimizer, callbacks):
        self.model, self.optimizer, self.callbacks = model, optimizer, callbacks

    def fit(self, loader):
        for x, y in loader:
            for callback in self.callbacks:
                callback.before(self)
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()

Trainer(model, optimizer, [Clear()]).fit(loader)
""",
    "tensor of zeros as the start of a sum": SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = torch.tensor(0.0, requires_grad=True)
    for part in x.chunk(2):
        loss = loss + model(part).square().mean()
    loss.backward()
    optimizer.step()
""",
    "Noam schedule": SETUP + """
optimizer = optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
noam = optim.lr_scheduler.LambdaLR(optimizer, lambda s: (s + 1) ** -0.5)
for x, y in loader:
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
    noam.step()
""",
    "style transfer": HEAD + """
image = torch.rand(1, 3, 8, 8, requires_grad=True)
opt = optim.Adam([image], lr=1.0)
for i in range(10):
    opt.zero_grad()
    loss = (image - 0.5).square().mean()
    loss.backward()
    opt.step()
""",
    "head replaced before the optimizer": HEAD + NET + """
model = Net()
features = model.fc2.in_features
model.fc2 = nn.Linear(features, 5)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
model = nn.DataParallel(model)
model = torch.compile(model)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
model.module.fc2 = nn.Identity()
""",
    "cross validation": SETUP + """
for fold in range(3):
    model = Net()
    optimizer = optim.Adam(model.parameters())
    for epoch in range(2):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        print(sum((model(x).argmax(1) == y).sum().item() for x, y in loader))
""",
    "eval then break": SETUP + """
for epoch in range(100):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    if loss.item() < 0.1:
        model.eval()
        torch.save(model.state_dict(), "m.pt")
        break
""",
    "evaluation that restores the mode": SETUP + """
def evaluate(net, data):
    was = net.training
    net.eval()
    with torch.no_grad():
        hits = sum((net(x).argmax(1) == y).sum().item() for x, y in data)
    net.train(was)
    return hits

for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    evaluate(model, loader)
""",
    "evaluation of a copy": SETUP + """
import copy
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    frozen = copy.deepcopy(model)
    frozen.eval()
    with torch.no_grad():
        frozen(torch.randn(2, 8))
""",
    "VAE with a sigmoid": HEAD + """
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.mu, self.logvar, self.dec = nn.Linear(8, 4), nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(2, 8)

    def forward(self, x):
        h = F.relu(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return torch.sigmoid(self.dec(z)), mu, logvar

vae = VAE()
optimizer = optim.Adam(vae.parameters(), lr=1e-3)
for x in loader:
    recon, mu, logvar = vae(x)
    loss = F.binary_cross_entropy(recon, x) - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
    "contrastive": HEAD + """
image, text = nn.Linear(8, 4), nn.Linear(6, 4)
scale = nn.Parameter(torch.tensor(2.0))
optimizer = optim.AdamW([{"params": image.parameters()}, {"params": text.parameters()}, {"params": [scale]}], lr=1e-3)
for a, b in loader:
    za, zb = F.normalize(image(a), dim=-1), F.normalize(text(b), dim=-1)
    logits = scale.exp() * za @ zb.t()
    labels = torch.arange(len(a))
    loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
""",
    "functional calls": HEAD + """
from torch.func import functional_call, grad
model = nn.Linear(3, 1)
params = {k: v.detach() for k, v in model.named_parameters()}
def loss_fn(p, x, y):
    return F.mse_loss(functional_call(model, p, (x,)), y)
for i in range(10):
    g = grad(loss_fn)(params, torch.randn(4, 3), torch.randn(4, 1))
    params = {k: v - 0.1 * g[k] for k, v in params.items()}
""",
    "names that mean other things": HEAD + """
class Env:
    def step(self, action):
        return action

class Profiler:
    def step(self):
        pass

opt = __import__("argparse").Namespace(lr=0.1)
env, prof = Env(), Profiler()
for i in range(3):
    env.step(i)
    prof.step()
    loss = i // 2
    score = len(str(i)) // 2
    correct_index = i // 2
""",
    "reads the gradient norm": SETUP + """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    norm = sum(p.grad.norm() ** 2 for p in model.parameters()) ** 0.5
    if torch.isfinite(norm):
        optimizer.step()
    else:
        optimizer.zero_grad()
""",
    "skips bad batches": SETUP + """
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
    if not torch.isfinite(loss):
        optimizer.zero_grad()
        continue
    optimizer.step()
    optimizer.zero_grad()
""",
    "two steps of sharpness-aware minimisation": SETUP + """
for x, y in loader:
    criterion(model(x), y).backward()
    optimizer.first_step(zero_grad=True)
    criterion(model(x), y).backward()
    optimizer.second_step(zero_grad=True)
""",
    "loss kept without a graph": SETUP + """
total, history = 0.0, []
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    loss = loss.detach()
    total += loss
    history.append(float(loss))
""",
    "pipeline of clipping": SETUP + """
x, y = next(iter(loader))
criterion(model(x), y).backward()
for x, y in loader:
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    criterion(model(x), y).backward()
""",
    "MC dropout": HEAD + """
class MCDropoutNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 1)

    def forward(self, x):
        return self.fc(F.dropout(x, 0.5, training=True))
""",
    "reshape that keeps the order": HEAD + """
def heads(x, H):
    B, T, C = x.shape
    x = x.view(B, T, H, C // H).transpose(1, 2)
    y = x.transpose(1, 2).contiguous().view(B, T, C)
    B, H, T, D = x.size()
    return y, x.reshape(B, H, T, D)

def image(x):
    B, C, H, W = x.shape
    x = x.flatten(2).transpose(1, 2)
    return x.reshape(B, H, W, C)
""",
}  # fmt: skip
