"""The shape trace and later looks at activations; the hooks behind them come and go without a trace."""

from __future__ import annotations

from pathlib import Path

from tests.probes.injected import run_script

NET = """
    import copy, io, pickle, sys, warnings
    import torch, torch.fx
    from torch import nn
    from torch.nn.modules import module as hooks

    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
            self.head = nn.Linear(4 * 6 * 6, 3)
        def forward(self, x):
            return self.head(self.features(x).flatten(1))

    net = Net()
    with torch.no_grad():
        net.features[0].bias.fill_(-100)  # every ReLU is dead
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
"""


def test_shape_trace(tmp_path: Path) -> None:
    source = (
        NET
        + """
    pickle.dumps(net); copy.deepcopy(net); torch.save(net, io.BytesIO())
    for step in range(20):
        loss = criterion(net(torch.randn(5, 1, 8, 8)), torch.zeros(5, dtype=torch.long))
        opt.zero_grad(); loss.backward(); opt.step()
        pickle.dumps(net)
    print(loss.item(), torch.rand(1).item())
    left = hooks._global_forward_hooks, hooks._global_forward_pre_hooks
    assert not any(left), left
    assert not getattr(hooks, "_global_forward_hooks_with_kwargs", {})
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    plain = run_script(tmp_path, source, plain=True)
    assert (run.stdout, run.stderr) == (plain.stdout, plain.stderr)

    rows = run.of("activations")[0]["modules"]
    trace = [(row["module"], row["cls"], row["inputs"], row["outputs"]) for row in rows]
    assert trace == [
        ("", "Net", [[5, 1, 8, 8]], [[5, 3]]),
        ("features", "Sequential", [[5, 1, 8, 8]], [[5, 4, 6, 6]]),
        ("features.0", "Conv2d", [[5, 1, 8, 8]], [[5, 4, 6, 6]]),
        ("features.1", "ReLU", [[5, 4, 6, 6]], [[5, 4, 6, 6]]),
        ("head", "Linear", [[5, 144]], [[5, 3]]),
        ("<CrossEntropyLoss>", "CrossEntropyLoss", [[5, 3], [5]], [[]]),
    ]
    by_name = {row["module"]: row for row in rows}
    assert by_name["features.1"]["output"]["zeros"] == 1.0
    assert by_name["features.0"]["output"]["max"] < 0  # measured before the in-place ReLU overwrote it
    assert by_name["features"]["output"] is None and not by_name["features"]["leaf"]


def test_a_loss_that_is_not_finite_makes_it_look_again(tmp_path: Path) -> None:
    source = (
        NET
        + """
    for step in range(12):
        x = torch.randn(5, 1, 8, 8)
        if step >= 8:
            x[0] = float("nan")
        loss = criterion(net(x), torch.zeros(5, dtype=torch.long))
        opt.zero_grad(); loss.backward(); opt.step()
    """
    )
    run = run_script(tmp_path, source)
    looks = [event for event in run.of("activations") if event["step"] > 8]
    assert looks, [event["step"] for event in run.of("activations")]
    conv = next(row for row in looks[0]["modules"] if row["module"] == "features.0")
    assert conv["output"]["nonfinite"] > 0


def test_a_program_that_compiles_is_left_alone(tmp_path: Path) -> None:
    source = (
        NET
        + """
    from torch._dynamo.utils import counters
    warnings.simplefilter("error")
    fast = torch.compile(net, backend="eager")
    for step in range(4):
        loss = criterion(fast(torch.randn(5, 1, 8, 8)), torch.zeros(5, dtype=torch.long))
        opt.zero_grad(); loss.backward(); opt.step()
        fast.eval()
        with torch.no_grad():
            fast(torch.randn(5, 1, 8, 8))
        fast.train()
    print(loss.item(), counters["stats"]["unique_graphs"], dict(counters["graph_break"]), len(counters["recompiles"]))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    assert not run.of("activations")
    assert run.stdout == run_script(tmp_path, source, plain=True).stdout


def test_out_of_the_way_of_functional_transforms_and_rollouts(tmp_path: Path) -> None:
    source = (
        NET
        + """
    from torch.func import functional_call, grad, vmap
    parameters = dict(net.named_parameters())
    def one(p, x):
        return functional_call(net, p, (x[None],)).sum()
    per_sample = vmap(grad(one), in_dims=(None, 0))(parameters, torch.randn(3, 1, 8, 8))
    print(per_sample["head.weight"].shape)
    for _ in range(5000):  # acting before the first update
        criterion(torch.zeros(1, 3), torch.zeros(1, dtype=torch.long))
    net(torch.randn(5, 1, 8, 8)).sum().backward()
    opt.step()
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")


def test_export_and_tracing_see_no_hooks(tmp_path: Path) -> None:
    source = (
        NET
        + """
    example = torch.randn(2, 1, 8, 8)
    loss = criterion(net(example), torch.zeros(2, dtype=torch.long))
    loss.backward(); opt.step()
    net.eval()  # an evaluation may follow: module calls are watched
    assert hooks._global_forward_hooks or "dlmon_probes" not in sys.modules
    print(len(torch.export.export(net, (example,), strict=True).graph.nodes))
    print(len(str(torch.jit.trace(net, example).graph)), len(torch.fx.symbolic_trace(net).graph.nodes))
    """
    )
    run, plain = run_script(tmp_path, source), run_script(tmp_path, source, plain=True)
    assert run.code == 0, run.stderr
    assert run.stdout == plain.stdout
    assert not run.of("probe_error")
