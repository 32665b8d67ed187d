"""What is noted of saved weights: loads that take nothing, files that go nowhere, states that are the live memory."""

from tests.probes.training import train

STEPS = """
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
def steps(count):
    for _ in range(count):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
"""
NET = "import io, copy\nnet = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))\n"


def test_a_load_that_takes_nothing_tells_the_prefix(tmp_path) -> None:
    body = NET + "net.load_state_dict({'module.' + k: v.clone() for k, v in net.state_dict().items()}, strict=False)\n"
    run = train(tmp_path, body + STEPS + "steps(2)")
    load = run.one("state_load")
    assert (load["own"], load["given"], load["n_missing"], load["n_unexpected"]) == (4, 4, 4, 4)
    assert (load["renamed"], load["prefix"], load["aliased"], load["step"]) == (4, "module.", 0, 0)
    assert load["where"]["text"].startswith("net.load_state_dict(") and run.of("probe_error") == []


def test_a_state_that_is_the_live_memory_and_since_when(tmp_path) -> None:
    body = """
steps(3)
best = net.state_dict()
steps(2)
kept = copy.deepcopy(best)
net.load_state_dict(best)
net.load_state_dict(dict(best))
net.load_state_dict(kept)
"""
    run = train(tmp_path, NET + STEPS + body)
    told = [(load["made"], load["step"], load["aliased"], load["common"]) for load in run.of("state_load")]
    assert told[:2] == [(3, 5, 4, 4), (3, 5, 4, 4)]
    assert told[2][1:] == (5, 0, 4)


def test_weights_set_by_hand_are_recognised_by_their_values(tmp_path) -> None:
    body = """
saved = io.BytesIO()
torch.save({"epoch": 3, "model": nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).state_dict()}, saved)
saved.seek(0)
state = torch.load(saved)["model"]
"""
    by_hand = "with torch.no_grad():\n    for n, p in net.named_parameters(): p.copy_(state[n])\n"
    for number, (more, equal) in enumerate([("", 0), (by_hand, 3), ("net.load_state_dict(state)\n", 3)]):
        (tmp_path / str(number)).mkdir()
        run = train(tmp_path / str(number), NET + body + more + STEPS + "steps(1)")
        file = run.one("state_file")
        assert (file["path"], file["entries"], file["own"], file["matched"]) == ("['model']", 4, 4, 4)
        assert file["looked"] == 3  # a bias of two numbers says too little
        assert (file["equal"], file["used"]) == (equal, number == 2)
        assert run.of("probe_error") == []


def test_loads_of_one_line_are_looked_into_for_a_while_only(tmp_path) -> None:
    body = "steps(1)\nfor _ in range(40): net.load_state_dict(copy.deepcopy(net.state_dict()))\n"
    run = train(tmp_path, NET + STEPS + body)
    assert len(run.of("state_load")) == 16
