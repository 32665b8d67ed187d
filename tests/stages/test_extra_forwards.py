"""What smoke learns from running the second step's forward again, and that nobody notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmon_probes.stages.plan import Plan
from tests.stages.staged import stage

SMOKE = Plan("smoke")
LOOP = """
for xb, yb in train:
    step(xb, yb)
"""
NOT_THE_LAST = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"


def told(tmp_path: Path, source: str) -> dict[str, Any]:
    run = stage(tmp_path, source + NOT_THE_LAST + LOOP, SMOKE)
    assert run.code == 0 and not run.of("probe_error"), run.stderr
    return run.one("extra_forward")


def module(forward: str, made: str = "pass") -> str:
    body = forward.replace("\n", "\n        ")
    return f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.head = nn.Linear(6, 12), nn.Linear(12, 2)
        {made}
    def forward(self, x):
        {body}
model = Net()
"""


def test_a_usual_model_depends_on_its_input_and_on_no_other_sample(tmp_path: Path) -> None:
    found = told(tmp_path, "")
    assert not found["trouble"] and found["cls"] == "Sequential" and found["share"] == 1.0 and found["rows"] == 8
    assert found["same"] == 0.0 and found["zeroed"] > 0.01 and found["rolled"] > 0.01 and found["gradient"] > 0
    assert found["judged_rows"] and found["reached"] == 0 and found["order_roll"] is None


def test_an_input_that_is_multiplied_by_zero(tmp_path: Path) -> None:
    found = told(tmp_path, module("return self.head(torch.relu(self.fc(x) * 0 + 1))"))
    assert (found["zeroed"], found["rolled"], found["gradient"]) == (0.0, 0.0, 0.0) and not found["zero_weights"]


def test_a_view_for_a_transpose_mixes_samples(tmp_path: Path) -> None:
    found = told(tmp_path, module("return self.head(torch.relu(self.fc(x)).view(12, len(x)).t())"))
    assert found["reached"] > 0 and found["order_roll"] > 0.01 and found["order_flip"] > 0.01


def test_a_mean_over_the_batch_keeps_samples_in_order(tmp_path: Path) -> None:
    found = told(tmp_path, module("h = torch.relu(self.fc(x))\nreturn self.head(h - h.mean(0))"))
    assert found["reached"] == 7 and found["order_roll"] < 1e-5 and found["order_flip"] < 1e-5


@pytest.mark.parametrize("layer", ["nn.LSTM(6, 12)", "nn.GRU(6, 12)"])
def test_a_layer_deep_inside_that_takes_the_batch_for_the_time(tmp_path: Path, layer: str) -> None:
    forward = "return self.head(self.rnn(x.unsqueeze(1).expand(-1, 3, -1))[0][:, -1])"
    found = told(tmp_path, module(forward, f"self.rnn = {layer}"))
    assert found["time_first"] == ["rnn"] and found["reached"] == 7


def test_attention_over_the_batch_of_embedded_numbers(tmp_path: Path) -> None:
    forward = "e = self.table((x > 0).long())\ne = self.att(e, e, e)[0]\nreturn self.head(e.mean(1))"
    found = told(tmp_path, module(forward, "self.table, self.att = nn.Embedding(2, 12), nn.MultiheadAttention(12, 2)"))
    assert found["time_first"] == ["att"] and found["reached"] == 7


def test_batch_normalisation_is_no_mixture_and_without_running_statistics_says_so(tmp_path: Path) -> None:
    forward = "return self.head(self.bn(self.fc(x)))"
    found = told(tmp_path, module(forward, "self.bn = nn.BatchNorm1d(12)"))
    assert found["reached"] == 0 and not found["statistics"]
    (tmp_path / "other").mkdir()
    found = told(tmp_path / "other", module(forward, "self.bn = nn.BatchNorm1d(12, track_running_stats=False)"))
    assert found["statistics"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (module("return self.head(torch.relu(self.fc(x + torch.randn_like(x))))"), "random"),
        ("model[0].register_forward_hook(lambda *_: None)\n", "hooks"),
        ("forward = model.forward\nmodel.forward = lambda x: forward(x)\n", "replaced"),
        (module("assert self.training\nreturn self.head(self.fc(x))"), "AssertionError"),
    ],
)
def test_what_cannot_be_judged_says_why(tmp_path: Path, source: str, words: str) -> None:
    found = told(tmp_path, source)
    assert words in found["trouble"] and found["zeroed"] is None and found["reached"] is None


def test_a_slow_step_is_not_run_again(tmp_path: Path) -> None:
    limit = "import dlmon_probes.stages.extra_forwards as ours\nours.SLOWEST = 0.0\n"
    found = told(tmp_path, limit)
    assert "the step took" in found["trouble"] and found["same"] is None


STATEFUL = """
import random, collections
import numpy as np
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.bn, self.head = nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Linear(12, 2)
        self.calls, self.shapes, self.cache = 0, [], {}
        self.queue, self.generator = collections.deque(maxlen=3), torch.Generator().manual_seed(3)
        self.register_buffer("seen", torch.zeros(()))
        self.alias = [self.fc]
        self.weight_seen = None
    def forward(self, x):
        self.calls += 1
        self.shapes.append(tuple(x.shape))
        self.cache[self.calls] = x.mean().detach()
        self.queue.append(x.sum().item())
        self.seen += len(x)
        self.weight_seen = self.alias[0].weight
        print("forward", self.calls, self.training)
        return self.head(self.bn(self.alias[0](x.add_(0.5))))
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
flags = []
for xb, yb in train:
    step(xb, yb)
    flags += [part.training for part in model.modules()]
    assert model.weight_seen is model.fc.weight
print(model.calls, model.shapes, sorted(model.cache), list(model.queue), float(model.seen), all(flags))
print(model.generator.initial_seed(), torch.rand(2, generator=model.generator).tolist())
print(random.random(), np.random.rand(), torch.rand(1).item(), float(x.sum()))
print([float(value.double().sum()) for value in model.state_dict().values()])
print([float(parameter.grad.double().sum()) for parameter in model.parameters()])
import gc
print(sum(type(thing) is Net for thing in gc.get_objects()))
"""


def test_the_program_does_not_notice(tmp_path: Path) -> None:
    """Against the stage `repeat`, which is the same but for this."""
    plans = {name: Plan(name) for name in ("smoke", "repeat")}
    runs = {}
    for name, plan in plans.items():
        (tmp_path / name).mkdir()
        source = "import random, numpy as np\nrandom.seed(1)\nnp.random.seed(1)\n" + STATEFUL
        runs[name] = stage(tmp_path / name, source, plan)
    found = runs["smoke"].one("extra_forward")
    assert not found["trouble"] and found["rolled"] > 0 and not runs["repeat"].of("extra_forward")
    assert runs["smoke"].stdout.count("forward") == 2 and runs["smoke"].stdout == runs["repeat"].stdout
    assert runs["smoke"].losses == runs["repeat"].losses
