"""A condition judged in the training pauses it at that very step, tells what it was made of, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.training import condition
from tests.probes.injected import Run, run_script

SCRIPT = """
import json, os, sys, threading, time
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
WHAT, CONDITION = sys.argv[1], json.loads(sys.argv[2])
run = os.environ.get("DLMON_RUN")
done = []
if run:
    from dlmon_probes.control import PAUSED, ControlPage
    page = ControlPage(run)
    if CONDITION:
        rows = [{"action": "stop", "text": "-", "tree": None}, {"action": "break", "text": "-", "tree": CONDITION}]
        with open(os.path.join(run, "watch.json"), "w") as file:
            json.dump(rows, file)
    def screen():
        while not CONDITION and len(done) < 40:
            time.sleep(0.001)
        if not CONDITION:
            page.pause()
        while not page.read(PAUSED):
            time.sleep(0.001)
        if not CONDITION:
            page.grant_step()
            first = len(done)
            while len(done) == first or not page.read(PAUSED):
                time.sleep(0.001)
        page.resume()
    threading.Thread(target=screen, daemon=True).start()
x = torch.randn(512, 6)
x[100] = torch.tensor([500.0, 0, 0, 0, 0, 0])
if WHAT == "classes":
    net, y = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), x[:, :3].argmax(1)
    loss_of = nn.functional.cross_entropy
elif WHAT == "yes":
    net, y = nn.Linear(6, 1), (x[:, :1] > 0).float()
    loss_of = nn.functional.binary_cross_entropy_with_logits
else:
    net, y = nn.Linear(6, 1), x[:, :1]
    loss_of = nn.functional.mse_loss
with torch.no_grad():  # the wrong label
    y[100] = {"classes": net(x[100]).argmin(), "yes": net(x[100]) < 0}.get(WHAT, y[100])
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(4):
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
        loss = loss_of(net(xb), yb)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        done.append(loss.item())
        if run and not CONDITION and len(done) < 60:
            time.sleep(0.002)
print(done, torch.rand(1).item(), sum(p.sum().item() for p in net.parameters()))
"""
LARGE = ["compare", ["loss", 8.0], [">"]]


def both(tmp_path: Path, what: str, tree: Any) -> Run:
    run = run_script(tmp_path, SCRIPT, what, json.dumps(tree), DLMON_OVERHEAD="0.0001")
    assert run.code == 0 and run.of("probe_error") == [], run.stderr
    if what == "classes":
        (tmp_path / "plain").mkdir()
        plain = run_script(tmp_path / "plain", SCRIPT, what, json.dumps(tree), plain=True)
        assert run.stdout == plain.stdout, "the losses, the random state and the weights"
    return run


@pytest.mark.parametrize(("what", "measure"), [("classes", "probability"), ("yes", "probability"), ("other", "error")])
def test_a_condition_pauses_at_that_very_step(tmp_path: Path, what: str, measure: str) -> None:
    run = both(tmp_path, what, LARGE)
    losses = json.loads(run.stdout[: run.stdout.index("]") + 1])
    step = next(i for i, loss in enumerate(losses) if loss > 8)
    assert run.one("judging")["conditions"] == [1]
    first = run.of("break")[0]
    assert (first["step"], first["condition"]) == (step, 1)
    assert first["values"] == {"loss": pytest.approx(losses[step])}
    paused = [event for event in run.of("control") if event["action"] == "paused"]
    assert paused[0]["step"] == step + 1
    assert (first["measure"], first["rows"], len(first["samples"])) == (measure, 16, 8)
    assert first["samples"][0]["index"] == 100, "the sample that is far away"
    order = [row["value"] for row in first["samples"]]
    assert order == sorted(order, reverse=measure == "error")
    assert any(batch["step"] == step and batch["loader"] == first["loader"] for batch in run.of("batch"))
    assert any(sample["step"] == step for sample in run.of("gradients")), "that step was looked at in full"


def test_a_person_who_pauses_gets_a_step_that_was_looked_at(tmp_path: Path) -> None:
    run = both(tmp_path, "classes", None)
    asked = run.of("break")
    assert len(asked) == 2, "the pause, and the one step after it"
    assert [event["condition"] for event in asked] == [None, None]
    assert asked[1]["step"] == asked[0]["step"] + 1
    sampled = {event["step"] for event in run.of("gradients")}
    assert {event["step"] for event in asked} <= sampled
    assert asked[0]["samples"] and asked[0]["samples"][0]["index"] is not None
    assert asked[1]["step"] in {event["step"] for event in run.of("activations")}


@pytest.mark.parametrize(
    ("tree", "facts", "verdict"),
    [
        (["compare", ["loss", 8.0], [">"]], {"loss": 9.0}, True),
        (["compare", ["loss", 8.0], [">"]], {"loss": float("nan")}, False),
        (["compare", ["loss", 8.0], [">"]], {"loss": None}, None),
        (["nonfinite", "loss"], {"loss": float("inf")}, True),
        (["and", ["not", ["compare", ["step", 3], ["=="]]], ["compare", [0, "lr", 1], ["<", "<"]]],
         {"step": 4.0, "lr": 0.5}, True),
        (["or", ["compare", ["loss", 1], [">"]], ["compare", ["step", 1], [">"]]], {"loss": None, "step": 2.0}, True),
        (["compare", [["/", "loss", ["-", "step", "step"]], 1], [">"]], {"loss": 1.0, "step": 2.0}, None),
    ],
)  # fmt: skip
def test_what_a_tree_says(tree: Any, facts: dict[str, float | None], verdict: bool | None) -> None:
    assert condition.judge(tree, facts) is verdict


@pytest.mark.parametrize(
    "tree", [["shout", "loss"], ["compare", ["wishes", 1], [">"]], [], ["compare", ["loss", 1], ["~"]]]
)
def test_what_is_no_tree_is_refused(tree: Any) -> None:
    with pytest.raises(LookupError):
        condition.judge(tree, {"loss": 1.0})
