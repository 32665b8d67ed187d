"""What the autograd graph of an unedited script tells."""

import pytest

from tests.probes.training import train

LOOP = """
net = {net}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    x, y = {data}
    loss = {loss}
    loss.backward(); optimizer.step()
"""
CLASSES = "torch.randn(32, 8), torch.randint(0, 5, (32,))"


def first_graph(tmp_path, net="nn.Linear(8, 5)", data=CLASSES, loss="F.cross_entropy(net(x), y)") -> dict:
    run = train(tmp_path, LOOP.format(net=net, data=data, loss=loss))
    assert run.of("probe_error") == []
    return run.of("graph")[0]


def test_the_loss_its_classes_labels_and_leaves(tmp_path) -> None:
    graph = first_graph(tmp_path)
    (loss,) = graph["losses"]
    assert (loss["op"], loss["classes"], loss["ignore_index"]) == ("NllLossBackward0", 5, -100)
    assert sum(loss["labels"].values()) == 32
    assert set(loss["labels"]) <= {"0", "1", "2", "3", "4"}
    assert graph["reached"] == [0, 1]
    assert graph["value"] == pytest.approx(-loss["prediction"]["mean"], rel=0.5)
    assert loss["target"]["max"] <= 4
    assert loss["spread"] > 0.5


def test_a_softmax_in_front_of_cross_entropy_shows_in_ops_and_values(tmp_path) -> None:
    graph = first_graph(tmp_path, loss="F.cross_entropy(F.softmax(net(x), 1), y)")
    assert [node["op"] for node in graph["nodes"][:3]] == [
        "NllLossBackward0", "LogSoftmaxBackward0", "SoftmaxBackward0",
    ]  # fmt: skip
    (loss,) = graph["losses"]
    assert loss["input_row_sum"] == pytest.approx(1, abs=1e-5)
    assert 0 <= loss["input_min"] <= loss["input_max"] <= 1
    assert loss["spread"] <= 1


def test_a_broadcast_between_prediction_and_target(tmp_path) -> None:
    graph = first_graph(tmp_path, "nn.Linear(8, 1)", "torch.randn(32, 8), torch.randn(32)", "F.mse_loss(net(x), y)")
    assert "ExpandBackward0" in graph["ops"]
    (loss,) = graph["losses"]
    assert loss["prediction"]["shape"] == [32, 32]


def test_batch_norm_in_evaluation_mode_is_counted_as_such(tmp_path) -> None:
    body = LOOP.format(
        net="nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5)); net.eval()",
        data=CLASSES,
        loss="F.cross_entropy(net(x), y)",
    )
    run = train(tmp_path, body)
    assert run.of("graph")[0]["ops"]["NativeBatchNormBackward0:eval"] == 1
    (modes,) = run.of("modes")
    assert modes["root_training"] is False
    assert [(m["name"], m["cls"], m["training"], m["trains"]) for m in modes["modules"]] == [
        ("1", "BatchNorm1d", False, True)
    ]


def test_modes_are_written_when_they_change(tmp_path) -> None:
    body = """
    net = nn.Sequential(nn.Linear(8, 5), nn.Dropout(0.2)); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for i in range(6):
        if i == 4: net.eval()
        optimizer.zero_grad(); net(torch.randn(4, 8)).sum().backward(); optimizer.step()
    """
    run = train(tmp_path, body)
    seen = [(event["step"], [m["training"] for m in event["modules"]]) for event in run.of("modes")]
    assert seen == [(0, [True]), (4, [False])]
    assert run.of("modes")[1]["where"]["line"] == 7


def test_a_loss_that_reaches_only_some_parameters(tmp_path) -> None:
    graph = first_graph(
        tmp_path, "nn.ModuleList([nn.Linear(8, 5), nn.Linear(8, 5)])", loss="F.cross_entropy(net[1](x), y)"
    )
    assert graph["reached"] == [2, 3]


def test_a_frozen_backbone_does_not_train(tmp_path) -> None:
    body = """
    backbone, head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)), nn.Linear(8, 5)
    for p in backbone.parameters(): p.requires_grad_(False)
    backbone.eval(); net = nn.Sequential(backbone, head)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    F.cross_entropy(net(torch.randn(4, 8)), torch.randint(0, 5, (4,))).backward(); optimizer.step()
    """
    (modes,) = train(tmp_path, body).of("modes")
    assert [(m["cls"], m["training"], m["trains"]) for m in modes["modules"]] == [
        ("BatchNorm1d", False, False), ("Dropout", False, False),
    ]  # fmt: skip


def test_layers_in_plain_lists_have_names_where_the_loss_reaches_them(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(4, 2)
                self.blocks = [nn.Linear(4, 4)]
                self.heads = {"aux": nn.Sequential(nn.Linear(4, 2))}
                self.teachers = [nn.Linear(4, 2)]
            def forward(self, x):
                with torch.no_grad():
                    self.teachers[0](x)
                h = self.blocks[0](x)
                return self.out(h) + self.heads["aux"](h)
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(8, 4)), torch.randint(0, 2, (8,))).backward()
            optimizer.step()
        """,
    )
    assert run.of("probe_error") == []
    rows = {row["name"]: row for model in run.of("model") for row in model["parameters"]}
    assert set(rows) == {
        "out.weight", "out.bias", "blocks.0.weight", "blocks.0.bias", "heads.aux.0.weight", "heads.aux.0.bias",
    }  # fmt: skip
    assert rows["blocks.0.weight"]["optimizer"] is None and rows["out.weight"]["optimizer"] == 0
    assert set(run.of("graph")[0]["reached"]) == {row["p"] for row in rows.values()}
