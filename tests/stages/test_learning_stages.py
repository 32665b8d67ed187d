"""Overfit and the sweep: what is repeated, what is switched off, and when enough was seen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dlmon_probes import control
from dlmon_probes.stages.plan import Plan
from tests.probes.injected import run_script
from tests.stages.staged import changes, ends, stage

OVERFIT = Plan("overfit", steps=300)


def test_one_batch_is_repeated_until_its_loss_is_down(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        class Counting(Dataset):
            asked = 0
            def __len__(self):
                return 160
            def __getitem__(self, i):
                Counting.asked += 1
                return x[i], y[i]

        import atexit
        atexit.register(lambda: print("asked for", Counting.asked, "rows, saw", len(sums), "batches"))
        sums = set()
        loader = DataLoader(Counting(), batch_size=8, shuffle=True)
        for epoch in range(3):
            for xb, yb in loader:
                sums.add(xb.sum().item())
                step(xb, yb)
                xb.zero_()  # what the script does to its batch must not reach the next one
        """,
        OVERFIT,
    )
    assert run.stdout.split() == ["asked", "for", "8", "rows,", "saw", "1", "batches"]
    end = ends(run)[0]
    assert end["reason"] == "certain" and end["step"] < 300
    assert run.losses[-1] < 0.05 * run.losses[0]
    data = run.of("stage_data")[0]
    assert (data["how"], data["source"], data["trouble"]) == ("repeated", "loader", "")
    assert [tensor["facts"]["shape"] for tensor in data["tensors"]] == [[8, 6], [8]]
    assert run.of("loss_floor")[0]["value"] == 0.0


def test_dropout_decay_and_schedule_are_off_and_the_script_sees_its_own_values(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: i / 1000)  # a warm-up from 0
        for xb, yb in train:
            same = torch.equal(model(xb), model(xb))
            step(xb, yb)
            schedule.step()
            group = optimizer.param_groups[0]
            print(same, model.training, group["weight_decay"], schedule.get_last_lr())
        """,
        Plan("overfit", steps=4),
    )
    assert run.stdout.splitlines()[0] == "True True 0.5 [0.0]"
    rates = [rate for block in run.of("steps") for rate in block["lr"]]
    assert set(rates) == {0.01}
    assert "AdamW: weight decay 0.5 set to 0" in changes(run)


def test_a_warm_up_by_hand_is_held_at_what_the_optimizer_was_made_with(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        for i, (xb, yb) in enumerate(train):
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * min(1, (i + 1) / 1000)
            step(xb, yb)
        """,
        Plan("overfit", steps=5),
    )
    rates = [rate for block in run.of("steps") for rate in block["lr"]]
    assert rates[0] == 0.0001 and set(rates[1:]) == {0.1}  # equal values may stand once


def test_a_schedule_that_computes_the_whole_rate_is_followed(tmp_path: Path) -> None:
    """Noam's: the optimizer is made with a rate of 1, which is a factor and no rate."""
    run = stage(
        tmp_path,
        """
        optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
        noam = lambda i: 0.01 * min((i + 1) ** -0.5, (i + 1) * 40 ** -1.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, noam)
        for xb, yb in train:
            step(xb, yb)
            schedule.step()
        """,
        Plan("overfit", steps=5),
    )
    rates = [rate for block in run.of("steps") for rate in block["lr"]]
    assert rates == pytest.approx([0.01 * (i + 1) * 40**-1.5 for i in range(5)])
    assert any("is a factor" in change for change in changes(run))


def test_a_rate_that_the_script_sets_once_stays(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        optimizer.param_groups[0]["lr"] = 0.003
        for xb, yb in train:
            step(xb, yb)
        """,
        Plan("overfit", steps=5),
    )
    assert {rate for block in run.of("steps") for rate in block["lr"]} == {0.003}


def test_a_schedule_is_not_stepped_beyond_its_end(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.001, total_steps=5)
        for xb, yb in train:
            step(xb, yb)
            schedule.step()
        """,
        Plan("overfit", steps=30),
    )
    assert ends(run)[0]["reason"] == "steps" and len(run.losses) == 30, run.stderr


def test_random_numbers_of_the_loop_are_drawn_again(tmp_path: Path) -> None:
    """Mixup is part of the batch: with another partner at every step nothing could be learned by heart."""
    run = stage(
        tmp_path,
        """
        import random
        for xb, yb in train:
            partner = torch.randperm(len(xb))
            print(partner.tolist(), random.random())
            step(0.7 * xb + 0.3 * xb[partner], yb)
        """,
        Plan("overfit", steps=6),
    )
    assert len(set(run.stdout.splitlines()[1:])) == 1


def test_a_trainer_that_counts_by_the_length_of_its_loader_goes_on(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        most, done = 2 * len(train), 0
        while done < most:
            for xb, yb in train:
                step(xb, yb)
                done += 1
                if done >= most:
                    break
        print("test", len(test))
        """,
        Plan("overfit", steps=60),
    )
    assert ends(run)[0]["step"] <= 60
    assert ends(run)[0]["step"] > 40 or ends(run)[0]["reason"] == "certain"


def test_a_batch_that_cannot_be_kept_ends_the_stage_with_the_reason(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        loader = DataLoader(TensorDataset(x, y), batch_size=8, collate_fn=lambda rows: (row for row in rows))
        for batch in loader:
            rows = list(batch)
            step(torch.stack([a for a, b in rows]), torch.stack([b for a, b in rows]))
        """,
        OVERFIT,
    )
    assert ends(run)[0]["reason"] == "not applicable"
    assert "generator" in run.of("stage_data")[0]["trouble"]


def test_a_loss_that_is_lost_ends_the_stage(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        for group in optimizer.param_groups:
            group["lr"] = 1e30
        for xb, yb in train:
            step(xb, yb)
        """,
        OVERFIT,
    )
    assert ends(run)[0]["reason"] == "certain" and "nan" in ends(run)[0]["detail"]


def test_the_sweep_goes_from_tiny_to_large_and_stops_when_the_loss_has_left(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        for epoch in range(2):
            for xb, yb in train:
                step(xb, yb)
        """,
        Plan("lr", steps=100, lr_low=1e-5, lr_high=1e4),
    )
    rates = [rate for block in run.of("steps") for rate in block["lr"]]
    assert rates[0] == pytest.approx(1e-5) and rates == sorted(rates)
    assert rates[1] / rates[0] == pytest.approx(rates[-1] / rates[-2])
    assert ends(run)[0]["reason"] == "certain" and len(rates) > 40  # it went round the 20 batches


def test_a_stage_started_in_advance_waits_and_leaves_with_its_driver(tmp_path: Path) -> None:
    """The process that is to release it does not exist: it must not wait forever, nor run."""
    gone = 2**22 + 12345
    began = time.monotonic()
    plan = Plan("smoke", hold=True, driver=gone)
    run = run_script(tmp_path, "import torch\nprint('ran')\n", DLMON_STAGE=plan.encoded())
    assert run.code == 0 and run.stdout == "" and time.monotonic() - began < 90
    assert control.ControlPage(str(run.folder)).read(control.STAGE) >= control.STAGE_TORCH_READY
