"""Which loss an evaluation is measured by: several models in a script, losses by functions, pairings met by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.training.formula_search import Evidence
from dlmon_probes.training.loss_formula import EXACT, TOLERANCE, Formula, confirmed
from tests.probes.injected import Run, run_script

HEAD = """
import json
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(90, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
train_loader = DataLoader(TensorDataset(x[:60], y[:60]), batch_size=20)
val_loader = DataLoader(TensorDataset(x[60:], y[60:]), batch_size=15)

def made(width):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))

def by_hand(out, b):  # without any function of torch's that computes a loss
    return -out.log_softmax(1)[range(len(b)), b].mean()

def told(*numbers):
    print("=", json.dumps(numbers))
"""
SWEEP = """
kept = []
for width in (4, 16, 64):
    net = made(width)
    KEEP
    opt = torch.optim.Adam(net.parameters(), 0.01)
    for epoch in range(2):
        net.train()
        for a, b in train_loader:
            loss = F.cross_entropy(net(a), b)
            opt.zero_grad(); loss.backward(); opt.step()
        net.eval()
        with torch.no_grad():
            total = right = 0
            table = [[0, 0], [0, 0]]
            for a, b in val_loader:
                out = net(a)
                total += LOSS(out, b).item() / 2
                for actual, predicted in zip(b.tolist(), out.argmax(1).tolist()):
                    table[actual][predicted] += 1
        told(total, (table[0][0] + table[1][1]) / 30, table, sum(p.numel() for p in net.parameters()))
"""


def told(run: Run) -> list[Any]:
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    return [json.loads(line[1:]) for line in run.stdout.splitlines() if line.startswith("=")]


def parameters_of(run: Run, evaluation: dict[str, Any]) -> int:
    """Of the model that an evaluation says it is of."""
    before = run.events[: run.events.index(evaluation)]
    model = [e for e in before if e["k"] == "model" and e["root"] == evaluation["root"]][-1]
    return sum(parameter["numel"] for parameter in model["parameters"])


@pytest.mark.parametrize("keep", ["pass", "kept.append(net)"], ids=["freed", "kept"])
@pytest.mark.parametrize("loss", ["F.cross_entropy", "by_hand"])
def test_each_model_of_a_sweep_has_its_own_numbers(tmp_path: Path, loss: str, keep: str) -> None:
    source = HEAD + SWEEP.replace("KEEP", keep).replace("LOSS", loss)
    run = run_script(tmp_path, source)
    own = told(run)
    passes, answers = run.of("evaluation"), run.of("answers")
    assert len(own) == len(passes) == len(answers) == 6
    for i, (total, right, table, size) in enumerate(own):
        if loss == "by_hand" and i in (2, 4):
            continue  # the formula of a new model may not be known at its first evaluation
        assert passes[i]["loss"] == pytest.approx(total, rel=1e-5)
        assert passes[i]["accuracy"] == pytest.approx(right) == answers[i]["right"]
        found = [[0, 0], [0, 0]]
        for actual, predicted, count in answers[i]["confusion"]:
            found[actual][predicted] = count
        assert found == table
        assert answers[i]["root"] == passes[i]["root"]
        assert parameters_of(run, passes[i]) == size
    assert {p["loss_from"] for p in passes} - {""} == {"criterion" if loss == "F.cross_entropy" else "computed"}
    if loss == "F.cross_entropy":
        assert run.stdout == run_script(tmp_path, source, plain=True).stdout


def test_one_model_trained_by_two_losses(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
net = made(8)
opt = torch.optim.Adam(net.parameters(), 0.01)
def passes(measure):
    net.eval()
    with torch.no_grad():
        told(sum(measure(net(a), b).item() for a, b in val_loader) / 2)
    net.train()
soft = DataLoader(TensorDataset(x[:60], F.one_hot(y[:60], 2).float()), batch_size=20)
for epoch in range(2):
    for a, b in soft:
        loss = F.mse_loss(net(a), b)
        opt.zero_grad(); loss.backward(); opt.step()
for epoch in range(30):
    for a, b in train_loader:
        loss = F.cross_entropy(net(a), b)
        opt.zero_grad(); loss.backward(); opt.step()
passes(by_hand)
"""
    )
    run = run_script(tmp_path, source)
    assert [p["loss"] for p in run.of("evaluation")] == [pytest.approx(own[0], rel=1e-5) for own in told(run)]


LANGUAGE = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.rnn, self.head = nn.Embedding(11, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 11)
    def forward(self, tokens):
        return self.head(self.rnn(self.table(tokens))[0])
text = torch.randint(11, (400,)).cumsum(0) % 11
def batch():
    starts = torch.randint(370, (8,))
    return (torch.stack([text[i + k : i + k + 24] for i in starts]) for k in (0, 1))
net = Model()
opt = torch.optim.Adam(net.parameters(), 1e-3)
for step in range(24):
    tokens, following = batch()
    loss = F.cross_entropy(net(tokens).view(-1, 11), following.view(-1))
    opt.zero_grad(); loss.backward(); opt.step()
    if step % 12 == 11:
        net.eval()
        total = right = 0
        with torch.no_grad():
            for _ in range(5):
                tokens, following = batch()
                out = net(tokens)
                total += LOSS(out.view(-1, 11), following.view(-1)).item() / 5
                right += (out.argmax(-1) == following).float().mean().item() / 5
        net.train()
        told(total, right)
"""


def test_a_language_model_is_measured_by_the_targets_that_its_script_takes(tmp_path: Path) -> None:
    source = HEAD + LANGUAGE.replace("LOSS", "F.cross_entropy")
    run = run_script(tmp_path, source)
    own = told(run)
    assert [(p["loss"], p["accuracy"]) for p in run.of("evaluation")] == [
        (pytest.approx(loss, rel=1e-5), pytest.approx(right)) for loss, right in own
    ]
    assert len(own) == 2
    assert [(e["task"], e["positions"]) for e in run.of("answers")] == [("tokens", 5 * 8 * 24)] * 2
    assert run.stdout == run_script(tmp_path, source, plain=True).stdout


def test_no_number_where_the_targets_are_out_of_sight(tmp_path: Path) -> None:
    run = run_script(tmp_path, HEAD + LANGUAGE.replace("LOSS", "by_hand"))
    assert told(run)
    assert run.of("evaluation") == []  # the input shifted by one lacks the last position: it is not the target


@pytest.mark.parametrize("loss", ["binary_cross_entropy_with_logits", "mse_loss", "smooth_l1_loss"])
def test_functions_that_compare_numbers(tmp_path: Path, loss: str) -> None:
    source = (
        HEAD
        + f"""
net = nn.Linear(8, 1)
opt = torch.optim.SGD(net.parameters(), 0.1)
measure = lambda a, b: F.{loss}(net(a).squeeze(1).sigmoid().logit(), b.float())
for epoch in range(2):
    for a, b in train_loader:
        opt.zero_grad(); measure(a, b).backward(); opt.step()
    with torch.no_grad():
        told(sum(measure(a, b).item() for a, b in val_loader) / 2)
"""
    )
    run = run_script(tmp_path, source)
    own = told(run)
    assert [(p["loss"], p["loss_from"]) for p in run.of("evaluation")] == [
        (pytest.approx(loss[0], rel=1e-5), "criterion") for loss in own
    ]
    assert {e["task"] for e in run.of("answers")} == {"classes" if loss.startswith("binary") else "values"}


def test_metrics_and_losses_in_parts_are_not_taken_for_the_loss(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
from torch.nn.functional import cross_entropy, mse_loss
def look(call):
    net.eval()
    with torch.no_grad():
        for a, b in val_loader:
            call(net(a), b)
    net.train()
net = made(8)
opt = torch.optim.SGD(net.parameters(), 0.1)
for epoch in range(5):
    for a, b in train_loader:
        out = net(a)
        loss = cross_entropy(out, b) + 0.1 * out.square().mean()
        opt.zero_grad(); loss.backward(); opt.step()
look(lambda out, b: mse_loss(out.softmax(1), F.one_hot(b, 2).float()))
look(lambda out, b: cross_entropy(out[:8], b[:8]) + cross_entropy(out[8:], b[8:]))
look(lambda out, b: (print(cross_entropy(out, b).item()), cross_entropy(out, b), F.l1_loss(out, out)))
look(lambda out, b: cross_entropy(out, b, reduction="none"))
"""
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    printed = [float(line) for line in run.stdout.splitlines()]
    assert [p["loss"] for p in run.of("evaluation")] == [None, None, pytest.approx(sum(printed) / 2), None]


def test_torchs_functions_are_put_back_and_can_be_scripted_meanwhile(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
names = ("cross_entropy_loss", "mse_loss", "nll_loss_nd", "l1_loss")
replaced = lambda: [hasattr(getattr(torch._C._nn, name), "__wrapped__") for name in names]
class Loss(nn.Module):
    def forward(self, out, b):
        return F.cross_entropy(out, b)
net = made(8)
opt = torch.optim.SGD(net.parameters(), 0.1)
for epoch in range(30):
    for a, b in train_loader:
        loss = F.cross_entropy(net(a), b)
        opt.zero_grad(); loss.backward(); opt.step()
print(replaced())
net.eval()
with torch.no_grad():
    for a, b in val_loader:
        out = net(a)
print(replaced())
scripted = torch.jit.script(Loss())
print(scripted(out, b).item() == F.cross_entropy(out, b).item())
compiled = torch.compile(net, backend="eager")
print(replaced())
"""
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    no, yes = str([False] * 4), str([True] * 4)
    assert run.stdout.splitlines() == [no, yes, "True", no]


# ---------------------------------------------------------------- what a formula rests on


class Module:
    pass


MODULE = Module()


def formula(kind: str, target: str = "[0]", tolerance: float = EXACT) -> Formula:
    return Formula(kind, "", "arguments", target, lambda: MODULE, tolerance)


def test_targets_of_their_own_come_before_the_input_shifted_by_one() -> None:
    shifted, own, other = formula("ce_shifted"), formula("ce_last", "[1]"), formula("mse", "[1]")
    assert confirmed([(shifted, 2.0), (own, 2.0 + 1e-6), (other, 3.0)], 2.0) == [own, shifted]
    assert confirmed([(own, 2.0002)], 2.0) == []  # within 1e-4 by chance
    assert confirmed([(own, 8.0)], 2.0) == [own]  # accumulated over four batches
    coarse = [(formula("ce_shifted", tolerance=TOLERANCE), 2.001), (formula("ce_last", "[1]", TOLERANCE), 2.0005)]
    assert confirmed(coarse, 2.0) == [coarse[1][0]]


def test_one_backward_is_not_enough_where_chance_can_meet_it() -> None:
    for first in (formula("ce_shifted"), formula("ce_last", tolerance=TOLERANCE)):
        evidence = Evidence(lambda: MODULE, 0)
        evidence.add([first], [first])
        assert evidence.formula is None
        evidence.add([first], [])
        evidence.add([first], [first])
        assert evidence.formula is first and evidence.sure


def test_another_backward_can_take_a_formula_back() -> None:
    own, other = formula("ce"), formula("mse")
    evidence = Evidence(lambda: MODULE, 0)
    evidence.add([own, other], [own, other])
    assert evidence.formula is own and not evidence.sure
    evidence.add([own, other], [other])
    assert evidence.formula is other and evidence.sure


def test_a_formula_stays_while_its_targets_are_out_of_sight_and_goes_once_it_fails() -> None:
    own, other = formula("ce"), formula("ce", "[1]")
    evidence = Evidence(lambda: MODULE, 0)
    evidence.add([own, other], [own])
    evidence.add([other], [])
    assert evidence.formula is own
    evidence.add([own], [])
    assert evidence.formula is None
