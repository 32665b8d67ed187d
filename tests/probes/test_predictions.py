"""What models answered in evaluation passes of real scripts, beside what the scripts count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.events_predictions import Predictions
from tests.probes.injected import Run, run_script

pytest.importorskip("torch")

HEAD = """
    import json, math
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
    F = nn.functional
    torch.manual_seed(0)

    def tell(**facts):
        print(json.dumps(facts))

    def train(net, loader, loss_of, epochs=2, lr=0.1):
        opt = torch.optim.SGD(net.parameters(), lr=lr)
        net.train()
        for _ in range(epochs):
            for batch in loader:
                opt.zero_grad(); loss_of(net, batch).backward(); opt.step()
        net.eval()
"""
CLASSIFIER = """
    class Rows(Dataset):
        classes = ["none", "one", "both"]
        def __init__(self, n):
            self.x = torch.randn(n, 8)
            self.y = (self.x[:, 0] > 0).long() + (self.x[:, 1] > 0).long()
        def __len__(self):
            return len(self.y)
        def __getitem__(self, i):
            return self.x[i], self.y[i]
    data = Rows(90)
    outer = Subset(data, list(range(89, 39, -1)))
    loader = DataLoader(Subset(data, range(40)), batch_size=16, shuffle=True)
    val = DataLoader(outer, batch_size=7, shuffle=True, num_workers=2)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))

    def by_hand():  # on the data set itself, in its own order
        x, y = (torch.stack([outer[i][k] for i in range(len(outer))]) for k in (0, 1))
        p = torch.softmax(nn.Sequential.forward(net, x), 1)
        table = [[int(((y == a) & (p.argmax(1) == b)).sum()) for b in range(3)] for a in range(3)]
        tell(table=table, p=p.tolist(), y=y.tolist())
"""


def answers(run: Run) -> list[dict[str, Any]]:
    assert run.code == 0, run.stderr
    assert not run.of("probe_error"), run.of("probe_error")
    return run.of(Predictions.kind)


def told(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"')]


def table(event: dict[str, Any], classes: int) -> list[list[int]]:
    found = [[0] * classes for _ in range(classes)]
    for actual, predicted, count in event["confusion"]:
        found[actual][predicted] = count
    return found


LOOPS = {
    "criterion": """
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1)  # no formula is known for this one
        train(net, loader, lambda net, b: criterion(net(b[0]), b[1]))
        with torch.no_grad():
            for a, b in val:
                out = net(a)
                criterion(out, b)
    """,
    "functional": """
        train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1]))
        with torch.inference_mode():
            for a, b in val:
                F.cross_entropy(net(a), b)
    """,
    "shapes": """
        weight = torch.tensor([1.0, 2.0, 0.5])
        train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1], weight=weight))
        with torch.no_grad():
            for a, b in val:
                net(a).argmax(1)
    """,
    "parts": """
        weight = torch.tensor([1.0, 2.0, 0.5])
        train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1], weight=weight))
        with torch.no_grad():
            for a, b in val:  # two calls of parts of the model for one batch; only the second one answers
                net[3](net[2](net[1](net[0](a))))
    """,
    "ahead": """
        train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1], label_smoothing=0.1))
        with torch.no_grad():
            batches = iter(val)
            current = next(batches)
            for following in batches:
                net(current[0])
                current = following
            net(current[0])
    """,
}


@pytest.mark.parametrize("loop", LOOPS)
def test_classes_counted_by_hand(tmp_path: Path, loop: str) -> None:
    source = HEAD + CLASSIFIER + LOOPS[loop].replace("\n    ", "\n") + "\n    by_hand()\n"
    run = run_script(tmp_path, source)
    (event,) = answers(run)
    (hand,) = told(run)
    assert (event["task"], event["classes"], event["samples"], event["looked_at"]) == ("classes", 3, 50, 50)
    assert event["class_names"] == ["none", "one", "both"]
    assert table(event, 3) == hand["table"] and event["cut"] == 0
    right = sum(hand["table"][i][i] for i in range(3))
    assert event["right"] == pytest.approx(right / 50) and event["top"] == {"1": pytest.approx(right / 50)}
    assert sum(b[0] for b in event["confidence_bins"]) == 50 and sum(b[1] for b in event["confidence_bins"]) == right
    assert event["loader"] == 1 and event["step"] == 6 and event["stride"] == 1
    wrong = [i for i in range(50) if max(hand["p"][i]) != hand["p"][i][hand["y"][i]]]
    wrong.sort(key=lambda i: -max(hand["p"][i]))
    assert [sample["index"] for sample in event["wrong"]] == wrong
    sure = sorted(set(range(50)) - set(wrong), key=lambda i: max(hand["p"][i]))
    assert [sample["index"] for sample in event["unsure"]] == sure
    for sample in event["wrong"] + event["unsure"]:
        p, actual = hand["p"][sample["index"]], hand["y"][sample["index"]]
        assert sample["actual"] == actual and sample["predicted"] == p.index(max(p))
        assert sample["confidence"] == pytest.approx(max(p), abs=1e-5)
        assert sample["actual_probability"] == pytest.approx(p[actual], abs=1e-5)
    assert sorted(sample["row"] for sample in event["wrong"] + event["unsure"]) == list(range(50))
    assert run.stdout == run_script(tmp_path, source, plain=True).stdout


def test_one_logit_several_labels_and_values(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    x = torch.randn(60, 5)
    there = (x[:, :4] > 0.2).float()

    def run(name, targets, width, loss, predicted):
        net = nn.Linear(5, width)
        loader = DataLoader(TensorDataset(x, targets), batch_size=10, shuffle=True)
        train(net, loader, lambda net, b: loss(net(b[0]).reshape(b[1].shape), b[1]))
        val = DataLoader(TensorDataset(x, targets), batch_size=8)
        with torch.no_grad():
            for a, b in val:
                loss(net(a).reshape(b.shape), b)
            tell(name=name, y=targets.tolist(), p=predicted(F.linear(x, net.weight, net.bias)).tolist())

    flat = lambda z: z.sigmoid().flatten()
    run("one", there[:, 0], 1, nn.BCEWithLogitsLoss(), flat)
    run("probability", there[:, 0], 1, lambda z, y: F.binary_cross_entropy(z.sigmoid(), y, weight=1 + y), flat)
    run("several", there, 4, nn.BCEWithLogitsLoss(), lambda z: z.sigmoid())
    run("values", x[:, :1] * 3 + 1, 1, nn.SmoothL1Loss(), lambda z: z)
    run("many", x[:, :3] * 3 + 1, 3, nn.MSELoss(), lambda z: z)
    """
    )
    run = run_script(tmp_path, source)
    found = answers(run)
    hand = {facts["name"]: facts for facts in told(run)}
    one, probability, several, values, many = found
    for event, name in ((one, "one"), (probability, "probability")):  # by a module, by a function
        y, p = hand[name]["y"], hand[name]["p"]
        assert (event["task"], event["classes"], event["looked_at"]) == ("classes", 2, 60)
        assert table(event, 2) == [
            [sum(y[i] == a and (p[i] > 0.5) == b for i in range(60)) for b in range(2)] for a in range(2)
        ]

    y, p = hand["several"]["y"], hand["several"]["p"]
    assert (several["task"], several["classes"]) == ("labels", 4)
    counts = {(label, code): n for label, code, n in several["confusion"]}
    for label in range(4):
        for code, (actual, said) in enumerate([(0, False), (0, True), (1, False), (1, True)]):
            own = sum(y[i][label] == actual and (p[i][label] > 0.5) == said for i in range(60))
            assert counts.get((label, code), 0) == own
    wrong = [i for i in range(60) if any((p[i][k] > 0.5) != bool(y[i][k]) for k in range(4))]
    assert several["right"] == pytest.approx(1 - len(wrong) / 60)
    assert {sample["index"] for sample in several["wrong"]} == set(wrong)
    for sample in several["wrong"]:
        i = sample["index"]
        own = {k if y[i][k] else -k - 1 for k in range(4) if (p[i][k] > 0.5) != bool(y[i][k])}
        assert set(sample["wrong"]) == own

    for event, name in ((values, "values"), (many, "many")):
        y, p = hand[name]["y"], hand[name]["p"]
        residuals = sorted(b - a for row, other in zip(y, p) for a, b in zip(row, other))
        n = len(residuals)
        assert event["task"] == "values" and event["looked_at"] == 60
        assert event["mae"] == pytest.approx(sum(abs(r) for r in residuals) / n, rel=1e-4)
        assert event["rmse"] == pytest.approx((sum(r * r for r in residuals) / n) ** 0.5, rel=1e-4)
        flat = [value for row in y for value in row]
        mean = sum(flat) / n
        r2 = 1 - sum(r * r for r in residuals) / sum((value - mean) ** 2 for value in flat)
        assert event["r2"] == pytest.approx(r2, rel=1e-3, abs=1e-4)
        assert event["quantiles"]["0"] == pytest.approx(residuals[0], abs=1e-5)
        assert event["quantiles"]["1"] == pytest.approx(residuals[-1], abs=1e-5)
        median = (residuals[(n - 1) // 2] + residuals[n // 2]) / 2
        assert event["quantiles"]["0.5"] == pytest.approx(median, abs=1e-5)
        worst = max(range(60), key=lambda i: sum(abs(b - a) for a, b in zip(y[i], p[i])))
        assert event["wrong"][0]["index"] == worst
        assert event["wrong"][0]["actual"] == pytest.approx(sum(y[worst]) / len(y[worst]), abs=1e-5)


def test_pictures_with_a_class_for_each_position(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    x = torch.randn(12, 1, 6, 6)
    y = (x[:, 0] > 0).long() + (x[:, 0] > 1).long()
    y[:, 0] = 255  # the border is not counted
    net = nn.Conv2d(1, 3, 3, padding=1)
    loss = nn.CrossEntropyLoss(ignore_index=255)
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True)
    train(net, loader, lambda net, b: loss(net(b[0]), b[1]))
    with torch.no_grad():
        for a, b in DataLoader(TensorDataset(x, y), batch_size=5, shuffle=True):
            loss(net(a), b)
        p = F.conv2d(x, net.weight, net.bias, padding=1).argmax(1)
    tell(table=[[int(((y == a) & (p == b)).sum()) for b in range(3)] for a in range(3)],
         wrong=[float(((y != p) & (y < 3))[i].sum() / (y < 3)[i].sum()) for i in range(12)])
    """
    )
    run = run_script(tmp_path, source)
    (event,) = answers(run)
    (hand,) = told(run)
    assert (event["task"], event["classes"], event["samples"], event["positions"]) == ("pixels", 3, 12, 12 * 30)
    assert table(event, 3) == hand["table"]
    worst = [(sample["index"], sample["error"]) for sample in event["wrong"]]
    assert dict(worst) == {i: pytest.approx(w, abs=1e-5) for i, w in enumerate(hand["wrong"]) if w}
    assert [error for _, error in worst] == sorted((error for _, error in worst), reverse=True)


def test_language_models_by_position(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    rows = (torch.arange(20)[:, None] + torch.arange(9)) % 11
    x, y = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(11, 11)
        def forward(self, idx):
            return self.table(idx)
    net = Net()
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True)
    loss = lambda net, b: F.cross_entropy(net(b[0]).view(-1, 11), b[1].view(-1))
    train(net, loader, loss, lr=1.0)
    with torch.no_grad():
        for a, b in DataLoader(TensorDataset(x, y), batch_size=6):
            loss(net, (a, b))
        criterion = nn.CrossEntropyLoss()
        own = F.cross_entropy(F.embedding(x, net.table.weight).view(-1, 11), y.view(-1), reduction="none")
        right = (F.embedding(x, net.table.weight).argmax(-1) == y).float().mean()
    tell(perplexity=math.exp(own.mean()), right=float(right), losses=own.view(20, 8).tolist())
    net.train()
    train(net, loader, lambda net, b: criterion(net(b[0]).transpose(1, 2), b[1]) + 0 * net.table.weight.sum())
    """
    )
    run = run_script(tmp_path, source)
    (event,) = answers(run)
    hand = told(run)[0]
    assert (event["task"], event["classes"], event["samples"], event["positions"]) == ("tokens", 11, 20, 160)
    assert event["perplexity"] == pytest.approx(hand["perplexity"], rel=1e-4)
    assert event["right"] == pytest.approx(hand["right"])
    losses = [sample["loss"] for sample in event["wrong"]]
    assert losses == sorted(losses, reverse=True)
    for sample in event["wrong"]:
        assert sample["loss"] == pytest.approx(hand["losses"][sample["index"]][sample["position"]], abs=1e-4)


def test_what_cannot_be_paired_says_why(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    x = torch.randn(40, 6)

    def look(net, dataset, call=lambda net, b: net(b[0])):
        with torch.no_grad():
            for batch in DataLoader(dataset, batch_size=8):
                call(net, batch)

    def trained(width, loss):
        net = nn.Linear(6, width)
        train(net, DataLoader(TensorDataset(x), batch_size=8), lambda net, b: loss(net(b[0])))
        return net
    any_loss = lambda out: out.square().mean().sqrt()
    look(trained(6, any_loss), TensorDataset(x))
    look(trained(3, any_loss), TensorDataset(x, torch.arange(40) % 3, torch.arange(40) % 2))
    look(trained(3, any_loss), TensorDataset(x, torch.arange(40)))  # a number for each sample, not a class
    soft = nn.CrossEntropyLoss()
    look(trained(3, any_loss), TensorDataset(x, torch.softmax(x[:, :3], 1)), lambda net, b: soft(net(b[0]), b[1]))
    """
    )
    found = answers(run_script(tmp_path, source))
    assert [event["task"] for event in found] == [""] * 4
    nothing, several, numbers, soft = [event["reason"] for event in found]
    assert nothing.startswith("no targets found") and "several tensors" in several
    assert "goes beyond the 3 outputs" in numbers and "probabilities" in soft
    assert all(event["samples"] == 40 and not event["wrong"] for event in found)


def test_large_outputs_are_thinned_and_it_is_told(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    import sys
    sys.modules["dlmon_probes.training.predictions"].MOST_ELEMENTS = 60
    x = torch.randn(64, 8); y = (x[:, 0] > 0).long()
    net = nn.Linear(8, 3)
    loader = DataLoader(TensorDataset(x, y), batch_size=32)
    train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1]))
    with torch.no_grad():
        for a, b in loader:
            net(a)
    """
    )
    (event,) = answers(run_script(tmp_path, source))
    assert event["stride"] == 3 and 20 <= event["looked_at"] <= 23
    assert sum(count for *_, count in event["confusion"]) == event["looked_at"]
    assert all(sample["index"] == sample["row"] for sample in event["wrong"] + event["unsure"])


def test_without_budget_only_some_batches_are_looked_at(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    import sys
    sys.modules["dlmon_probes.training.predictions"].FLOOR = 0.002
    x = torch.randn(400, 8); y = (x[:, 0] > 0).long()
    net = nn.Linear(8, 3)
    loader = DataLoader(TensorDataset(x, y), batch_size=2)
    train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1]), epochs=1)
    for _ in range(3):
        net.eval()
        with torch.no_grad():
            for a, b in loader:
                net(a)
        net.train()
    """
    )
    run = run_script(tmp_path, source, DLMON_OVERHEAD="0.001")
    found = answers(run)
    assert len(found) == 3 and len(run.of("evaluation")) == 3
    assert all(event["samples"] == 400 and event["looked_at"] < 200 for event in found)
    assert found[0]["looked_at"] > 0


def test_without_any_budget_it_says_so(tmp_path: Path) -> None:
    source = (
        HEAD
        + CLASSIFIER
        + """
    import sys
    sys.modules["dlmon_probes.training.predictions"].FLOOR = -9.0
    train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1]))
    with torch.no_grad():
        for a, b in val:
            net(a)
    """
    )
    run = run_script(tmp_path, source, DLMON_OVERHEAD="0.001")
    (event,) = answers(run)
    assert (event["task"], event["looked_at"]) == ("", 0) and "overhead budget" in event["reason"]
    assert run.one("evaluation")["accuracy"] is not None


def test_a_failing_look_leaves_script_and_evaluation_alone(tmp_path: Path) -> None:
    source = (
        HEAD
        + CLASSIFIER
        + """
    import sys
    counts = sys.modules["dlmon_probes.training.predictions_classes"].ClassCounts
    def broken(*_):
        raise RuntimeError("broken on purpose")
    counts.add = broken
    train(net, loader, lambda net, b: F.cross_entropy(net(b[0]), b[1]))
    with torch.no_grad():
        print(sum(net(a).shape[0] for a, b in val))
    """
    )
    run = run_script(tmp_path, source)
    assert (run.code, run.stdout) == (0, "50\n")
    assert "broken on purpose" in run.one("probe_error")["error"]
    assert len(run.of("evaluation")) == 1 and not run.of(Predictions.kind)
