"""Evaluation passes of real scripts, checked against what the scripts print about themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.probes.injected import run_script

DATA = """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    x = torch.randn(64, 8)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    train = DataLoader(TensorDataset(x[:48], y[:48]), batch_size=16, shuffle=True)
    val = DataLoader(TensorDataset(x[48:], y[48:]), batch_size=6)  # the last batch is smaller
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    F = nn.functional
"""


def printed(stdout: str) -> list[tuple[float, float]]:
    """(loss, accuracy) of each pass, as the script computed them."""
    return [(float(a), float(b)) for a, b in (line.split()[1:] for line in stdout.splitlines() if line[0] == "=")]


def assert_as_printed(passes: list[dict[str, Any]], stdout: str) -> None:
    own = printed(stdout)
    assert [(p["loss"], p["accuracy"]) for p in passes] == [
        (pytest.approx(loss, rel=1e-5), pytest.approx(accuracy)) for loss, accuracy in own
    ]
    assert own


def test_loop_with_a_criterion(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    criterion = nn.CrossEntropyLoss()
    for epoch in range(3):
        net.train()
        for a, b in train:
            loss = criterion(net(a), b)
            opt.zero_grad(); loss.backward(); opt.step()
        net.eval()
        total = right = 0
        with torch.no_grad():
            for a, b in val:
                out = net(a)
                total += criterion(out, b).item() * len(b)
                right += (out.argmax(1) == b).sum().item()
        print("=", total / 16, right / 16)
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    passes = run.of("evaluation")
    assert_as_printed(passes, run.stdout)
    assert run.stdout == run_script(tmp_path, source, plain=True).stdout
    assert {p["loss_from"] for p in passes} == {"criterion"}
    assert [(p["step"], p["batches"], p["samples"], p["loader"]) for p in passes] == [
        (3, 3, 16, 1), (6, 3, 16, 1), (9, 3, 16, 1)
    ]  # fmt: skip
    assert all(p["where"]["text"] == "out = net(a)" for p in passes)
    assert all((p["dropout_on"], p["norm_on"], p["grad_enabled"]) == (0, 0, False) for p in passes)
    phases = [phase["name"] for phase in run.of("phase")]
    assert phases == ["training", "evaluating"] * 3 + ["ended"]


def test_functional_loss_is_computed_by_the_trainings_own_formula(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    def ahead(loader):  # fetches one batch ahead, as accelerate does
        batches = iter(loader)
        current = next(batches)
        for following in batches:
            yield current
            current = following
        yield current

    for epoch in range(3):
        net.train()
        for a, b in ahead(train):
            loss = F.cross_entropy(net(a), b) / 2  # as in gradient accumulation
            opt.zero_grad(); loss.backward(); opt.step()
        net.eval()
        total = right = 0
        for a, b in ahead(val):
            with torch.inference_mode():
                out = net(a)
            total -= out.log_softmax(1)[range(len(b)), b].sum().item()
            right += (out.argmax(1) == b).sum().item()
        print("=", total / 16, right / 16)
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    passes = run.of("evaluation")
    assert_as_printed(passes, run.stdout)
    assert {p["loss_from"] for p in passes} == {"computed"}


def test_no_loader_and_a_model_that_returns_its_loss(tmp_path: Path) -> None:
    source = """
        import torch
        from torch import nn
        torch.manual_seed(0)

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(11, 11)
            def forward(self, idx, targets=None):
                logits = self.table(idx)
                if targets is None:
                    return logits, None
                return logits, nn.functional.cross_entropy(logits.view(-1, 11), targets.view(-1))

        def get_batch(split):
            start = torch.randint(11, (4, 1))
            idx = (start + torch.arange(9)) % 11
            return idx[:, :-1].contiguous(), idx[:, 1:].contiguous()

        @torch.no_grad()
        def estimate_loss():
            model.eval()
            for split in ["train", "val"]:
                losses, right = torch.zeros(5), 0
                for k in range(5):
                    X, Y = get_batch(split)
                    logits, losses[k] = model(X, Y)
                    right += (logits.argmax(-1) == Y).float().mean().item() / 5
                print("=", losses.mean().item(), right)
            model.train()

        model = Model()
        opt = torch.optim.SGD(model.parameters(), lr=5.0)
        for step in range(20):
            X, Y = get_batch("train")
            logits, loss = model(X, Y)
            opt.zero_grad(); loss.backward(); opt.step()
            if step % 10 == 9:
                estimate_loss()
        idx = X[:1, :1]
        for _ in range(6):  # writing some text is no evaluation
            with torch.no_grad():
                idx = torch.cat([idx, model(idx)[0][:, -1:].argmax(-1)], 1)
    """
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    passes = run.of("evaluation")
    assert [p["name"] for p in passes] == ["train", "val"] * 2
    assert_as_printed(passes, run.stdout)
    assert all((p["loader"], p["batches"], p["samples"], p["loss_from"]) == (-1, 5, 20, "output") for p in passes)
    assert run.stdout == run_script(tmp_path, source, plain=True).stdout


def test_what_was_left_on_is_told(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    for epoch in range(2):
        for a, b in train:
            loss = F.cross_entropy(net(a), b)
            opt.zero_grad(); loss.backward(); opt.step()
        for a, b in val:  # neither eval() nor no_grad()
            net(a)
    """
    )
    passes = run_script(tmp_path, source).of("evaluation")
    assert len(passes) == 2
    assert all((p["dropout_on"], p["norm_on"], p["grad_enabled"]) == (1, 1, True) for p in passes)


def test_what_is_no_evaluation(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    import copy
    mean = sum(a.mean().item() for a, _ in train) / 3  # statistics of the data set
    teacher = copy.deepcopy(net).eval()
    other = DataLoader(TensorDataset(x), batch_size=16)
    for epoch in range(2):
        for (a, b), (c,) in zip(train, other):  # two loaders in one step, and a teacher without gradients
            with torch.no_grad():
                soft = teacher(c).softmax(1)
            loss = F.cross_entropy(net(a), b) + F.cross_entropy(net(c), soft)
            opt.zero_grad(); loss.backward(); opt.step()
        net.eval()
        with torch.no_grad():
            net(torch.randn(1, 8))  # a look at one sample
        net.train()
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    assert run.of("evaluation") == []


def test_a_failing_probe_leaves_the_script_alone(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    import sys
    probe = sys.modules["dlmon_probes.training.evaluation_pass"]
    def broken(*_):
        raise RuntimeError("broken on purpose")
    probe.Pass.forward = broken
    for a, b in train:
        loss = F.cross_entropy(net(a), b)
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()
    with torch.no_grad():
        print([net(a).shape[0] for a, b in val])
    """
    )
    run = run_script(tmp_path, source)
    assert (run.code, run.stdout) == (0, "[6, 6, 4]\n")
    assert "broken on purpose" in run.one("probe_error")["error"]


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@pytest.mark.frameworks
@pytest.mark.skipif(not installed("lightning"), reason="Lightning is not installed")
def test_lightning_validation(tmp_path: Path) -> None:
    source = (
        DATA
        + """
    import logging, warnings
    warnings.filterwarnings("ignore")
    import lightning.pytorch as L
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net
        def training_step(self, batch, _):
            return F.cross_entropy(self.net(batch[0]), batch[1])
        def validation_step(self, batch, _):
            out = self.net(batch[0])
            self.log("val_loss", F.cross_entropy(out, batch[1]))
            self.log("val_acc", (out.argmax(1) == batch[1]).float().mean())
        def on_validation_epoch_end(self):
            m = self.trainer.callback_metrics
            if not self.trainer.sanity_checking:
                print("\\n=", float(m["val_loss"]), float(m["val_acc"]))
        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-2)

    L.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, accelerator="cpu",
              enable_model_summary=False, enable_progress_bar=False).fit(Module(), train, val)
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    sanity, *passes = run.of("evaluation")
    assert (sanity["step"], sanity["batches"]) == (0, 2)
    lines = [line for line in run.stdout.splitlines() if line.startswith("=")]
    assert_as_printed(passes, "\n".join(lines))


@pytest.mark.frameworks
@pytest.mark.skipif(not installed("transformers") or not installed("accelerate"), reason="transformers not installed")
def test_transformers_evaluation(tmp_path: Path) -> None:
    source = """
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed
        set_seed(0)
        model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2))
        rows = (torch.arange(40)[:, None] + torch.arange(12)) % 50
        data = [{"input_ids": row, "labels": row} for row in rows]
        def metrics(prediction):
            logits, labels = prediction
            return {"acc": float((logits.argmax(-1)[:, :-1] == labels[:, 1:]).mean())}
        arguments = TrainingArguments("out", per_device_train_batch_size=8, per_device_eval_batch_size=8,
            num_train_epochs=2, eval_strategy="epoch", report_to=[], save_strategy="no", learning_rate=1e-2,
            use_cpu=True, logging_steps=2)
        trainer = Trainer(model=model, args=arguments, train_dataset=data[:32], eval_dataset=data[32:],
            compute_metrics=metrics)
        trainer.train()
        for entry in trainer.state.log_history:
            if "eval_loss" in entry:
                print("=", entry["eval_loss"], entry["eval_acc"])
    """
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    own = "\n".join(line for line in run.stdout.splitlines() if line.startswith("="))
    assert_as_printed(run.of("evaluation"), own)
    assert "loss" in {row["tag"] for event in run.of("scalars") for row in event["rows"]}
