"""Steps, series and micro-batches of loops in different styles, with the numbers the scripts print themselves."""

import pytest

from tests.probes.training import train


def losses(run, series: str = "0") -> list:
    return [value for block in run.of("steps") for value in block["loss"].get(series, [None] * len(block["at"]))]


def micro(run) -> list[int]:
    return [m for block in run.of("steps") for m in (block["micro"] * len(block["at"]))[: len(block["at"])]]


def printed(run) -> list[float]:
    return [float(line) for line in run.stdout.split()]


def test_a_plain_loop_gives_a_row_a_step_with_the_printed_loss(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        net = nn.Linear(4, 3); optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        for _ in range(25):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
            loss.backward()
            optimizer.step()
            print(repr(loss.item()))
        """,
    )
    assert losses(run) == printed(run)
    assert micro(run) == [1] * 25
    assert {lr for block in run.of("steps") for lr in block["lr"]} == {0.5}
    series = run.of("series")[0]
    assert (series["name"], series["where"]["line"]) == ("loss", 8)
    assert [event["step"] for event in run.of("end")] == [25]


def test_accumulation_is_found_by_counting(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        net = nn.Linear(4, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for i in range(12):
            loss = net(torch.randn(8, 4)).pow(2).mean() / 4
            loss.backward()
            print(repr(loss.item()))
            if i % 4 == 3:
                optimizer.step(); optimizer.zero_grad()
        """,
    )
    values = printed(run)
    assert micro(run) == [4, 4, 4]
    assert losses(run) == pytest.approx([sum(values[i : i + 4]) / 4 for i in (0, 4, 8)])
    assert all(min(c["before"], key=lambda v: v or 0) is None for c in clearing(run)[1:])


def clearing(run) -> list[dict]:
    return [row for order in run.of("order") for row in order["clearing"]]


def test_two_optimizers_that_take_turns_share_a_step_and_have_a_series_each(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        netG, netD = nn.Linear(4, 2), nn.Linear(2, 1)
        optG, optD = torch.optim.Adam(netG.parameters()), torch.optim.Adam(netD.parameters())
        for _ in range(10):
            fake = netG(torch.randn(8, 4))
            optD.zero_grad(); loss_D = netD(fake.detach()).mean() - netD(torch.randn(8, 2)).mean()
            loss_D.backward(); optD.step()
            optG.zero_grad(); loss_G = -netD(fake).mean()
            loss_G.backward(); optG.step()
            print(repr(loss_D.item()), repr(loss_G.item()))
        """,
    )
    names = {str(event["series"]): event["name"] for event in run.of("series")}
    assert names == {"0": "loss_D", "1": "loss_G"}
    values = printed(run)
    assert losses(run, "0") == values[::2]
    assert losses(run, "1") == values[1::2]
    parameters = {row["name"] for model in run.of("model") for row in model["parameters"]}
    assert parameters == {"netG.weight", "netG.bias", "netD.weight", "netD.bias"}


def test_a_critic_that_steps_more_often_makes_steps_of_its_own(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        a, b = nn.Linear(2, 1), nn.Linear(2, 1)
        oa, ob = torch.optim.SGD(a.parameters(), 0.1), torch.optim.SGD(b.parameters(), 0.1)
        for _ in range(4):
            for _ in range(3):
                oa.zero_grad(); la = a(torch.randn(4, 2)).pow(2).mean(); la.backward(); oa.step()
            ob.zero_grad(); lb = b(torch.randn(4, 2)).pow(2).mean(); lb.backward(); ob.step()
        """,
    )
    assert len(losses(run, "0")) == 12
    assert [value is not None for value in losses(run, "1")] == [False, False, True] * 4


def test_a_closure_is_many_backwards_in_one_step(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        net = nn.Linear(1, 1); x = torch.linspace(0, 1, 20)[:, None]
        optimizer = torch.optim.LBFGS(net.parameters(), max_iter=5)
        def closure():
            optimizer.zero_grad(); loss = F.mse_loss(net(x), 3 * x); loss.backward(); return loss
        for _ in range(4):
            optimizer.step(closure)
        """,
    )
    assert len(micro(run)) == 4
    assert micro(run)[0] == 5
    assert run.of("gradients")[0]["norm"][0] > 0


@pytest.mark.parametrize("how", ["backward", "grad"])
def test_updates_by_hand_step_at_each_backward(tmp_path, how: str) -> None:
    compute = {
        "backward": "loss.backward(); grads = [p.grad for p in params]",
        "grad": "grads = torch.autograd.grad(loss, params)",
    }
    run = train(
        tmp_path,
        f"""
        def train():
            params = [torch.randn(4, 8, requires_grad=True), torch.randn(8, 1, requires_grad=True)]
            for _ in range(8):
                loss = ((torch.randn(16, 4) @ params[0]).relu() @ params[1]).pow(2).mean()
                {compute[how]}
                with torch.no_grad():
                    for p, g in zip(params, grads):
                        p -= 1e-3 * g; p.grad = None
                print(repr(loss.item()))
        train()
        """,
    )
    assert losses(run) == printed(run)
    assert run.of("series")[0]["where"]["line"] == 8
    assert [row["name"] for row in run.of("model")[0]["parameters"]] == ["params[0]", "params[1]"]
    if how == "backward":
        sample = run.of("gradients")[0]
        assert sample["optimizer"] == -1
        assert all(update > 0 for update in sample["update"])


def test_the_scale_of_amp_is_divided_out(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        net = nn.Linear(4, 3); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(6):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
            scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()
            print(repr(loss.item()))
        """,
    )
    assert losses(run) == printed(run)


def test_nan_losses_arrive_as_nan_and_their_steps_are_sampled(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        net = nn.Linear(2, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for i in range(12):
            optimizer.zero_grad()
            loss = net(torch.ones(4, 2)).pow(2).mean() * (float("nan") if i >= 10 else 1.0)
            loss.backward(); optimizer.step()
        """,
    )
    assert losses(run)[9:] == [losses(run)[9], "nan", "nan"]
    sampled = {event["step"]: event for event in run.of("gradients")}
    assert sampled[10]["nonfinite"][0] > 0


def test_pausing_waits_at_a_step_boundary_and_lets_single_steps_through(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        import os, threading, time
        from dlmon_probes.control import GRANTED, PAUSED, ControlPage
        page = ControlPage(os.environ["DLMON_RUN"])
        net = nn.Linear(2, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        done = []
        def screen():
            def paused():
                while not page.read(PAUSED): time.sleep(0.001)
            page.pause(); paused(); first = len(done)
            page.grant_step()
            while len(done) == first: time.sleep(0.001)
            paused(); print(len(done) - first); page.resume()
        watcher = threading.Thread(target=screen); watcher.start()
        while watcher.is_alive():
            optimizer.zero_grad(); net(torch.ones(4, 2)).mean().backward(); optimizer.step(); done.append(1)
        """,
    )
    assert run.stdout.split() == ["1"]
    assert [event["action"] for event in run.of("control")][:4] == ["paused", "stepped", "paused", "resumed"]
