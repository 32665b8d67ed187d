"""Numbers of the gradient table against torch's own, and what happened to the gradients between two steps."""

import json

import pytest

from tests.probes.training import train


def named(run) -> dict[int, str]:
    return {row["p"]: row["name"] for model in run.of("model") for row in model["parameters"]}


def test_norms_and_update_ratios_are_torchs(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        import json
        net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        optimizer.zero_grad()
        F.cross_entropy(net(torch.randn(8, 6).double()), torch.randint(0, 3, (8,))).backward()
        before = [p.detach().clone() for p in net.parameters()]
        optimizer.step()
        print(json.dumps({
            name: [p.grad.norm().item(), p.grad.abs().max().item(), (p.grad == 0).double().mean().item(),
                   b.norm().item(), ((p - b).norm() / b.norm()).item()]
            for (name, p), b in zip(net.named_parameters(), before)
        }))
        """,
    )
    truth = json.loads(run.stdout)
    sample = run.of("gradients")[0]
    names = named(run)
    for i, p in enumerate(sample["p"]):
        read = [sample[column][i] for column in ("norm", "max_abs", "zeros", "weight", "update")]
        assert read == pytest.approx(truth[names[p]], rel=1e-4), names[p]
    assert sample["total"] == pytest.approx(sum(v[0] ** 2 for v in truth.values()) ** 0.5, rel=1e-5)


def test_a_parameter_without_gradient_is_told_from_a_zero_one(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        used, unused, dead = nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1)
        net = nn.ModuleList([used, unused, dead])
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        (used(torch.ones(1, 2)) + 0 * dead(torch.ones(1, 2))).sum().backward(); optimizer.step()
        """,
    )
    sample = run.of("gradients")[0]
    norms = dict(zip((named(run)[p] for p in sample["p"]), sample["norm"]))
    assert norms["1.weight"] is None
    assert norms["2.weight"] == 0.0
    assert norms["0.weight"] > 0


def test_sparse_complex_and_empty_parameters_are_measured_or_left_out(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        table = nn.Embedding(50, 4, sparse=True)
        wave, empty = nn.Parameter(torch.randn(3, dtype=torch.cfloat)), nn.Parameter(torch.empty(0))
        sparse, dense = torch.optim.SparseAdam(table.parameters()), torch.optim.Adam([wave, empty])
        for _ in range(3):
            sparse.zero_grad(); dense.zero_grad()
            (table(torch.tensor([1, 1, 2])).pow(2).sum() + wave.abs().pow(2).sum()).backward()
            print(table.weight.grad.coalesce().values().norm().item(), wave.grad.norm().item())
            sparse.step(); dense.step()
        """,
    )
    first, second = run.of("gradients")[:2]
    assert [first["norm"], second["norm"]] == [[pytest.approx(float(v))] for v in run.stdout.split()[:2]]
    assert run.of("probe_error") == []


BODY = """
net = nn.Linear(4, 3); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    {before}
    loss = F.cross_entropy(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
    loss.backward()
    {between}
    optimizer.step()
"""


def rows(run) -> list[dict]:
    return [row for order in run.of("order") for row in order["clearing"]]


def test_cleared_gradients_are_seen_as_cleared(tmp_path) -> None:
    for clear in (
        "optimizer.zero_grad()",
        "optimizer.zero_grad(set_to_none=False)",
        "net.weight.grad = net.bias.grad = None",
    ):
        folder = tmp_path / str(abs(hash(clear)))
        folder.mkdir()
        run = train(folder, BODY.format(before=clear, between="pass"))
        assert len(rows(run)) == 3
        assert all(row["before"] in ([None], [0.0]) and row["at_step"] == row["after"] > 0 for row in rows(run))


def test_gradients_that_pile_up_are_carried_over(tmp_path) -> None:
    run = train(tmp_path, BODY.format(before="pass", between="pass"))
    for row in rows(run)[1:]:
        assert row["before"] == [row["previous"]]
        assert row["previous"] > 0
    calls = [(call["op"], call["where"]["line"]) for call in run.of("order")[1]["calls"]]
    assert calls == [("backward", 8), ("step", 10)]


def test_gradients_cleared_before_the_step_never_reach_it(tmp_path) -> None:
    run = train(tmp_path, BODY.format(before="pass", between="optimizer.zero_grad()"))
    assert [row["at_step"] for row in rows(run)] == [None] * 3
    assert all(row["after"] > 0 for row in rows(run))
    calls = [(call["op"], call["where"]["line"]) for call in run.of("order")[0]["calls"]]
    assert calls == [("backward", 8), ("zero_grad", 9), ("step", 10)]


def test_clipping_is_noted_where_it_happens(tmp_path) -> None:
    clip = "torch.nn.utils.clip_grad_norm_(net.parameters(), 1e-3)"
    run = train(tmp_path, BODY.format(before="optimizer.zero_grad()", between=clip))
    assert [call["op"] for call in run.of("order")[0]["calls"]] == ["zero_grad", "backward", "clip", "step"]
    assert rows(run)[0]["at_step"] == pytest.approx(1e-3, rel=1e-2)
