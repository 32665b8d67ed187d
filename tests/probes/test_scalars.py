"""What scripts log by themselves. The loggers here have the shape of the real ones: the probes know them by name."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from tests.probes.injected import run_script

TRAIN = """
    import torch
    from torch import nn
    net = nn.Linear(4, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    def step():
        loss = net(torch.ones(8, 4)).square().mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss
"""


def make(tmp_path: Path, path: str, source: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for folder in [file.parent, *file.parent.parents]:
        if folder == tmp_path:
            break
        (folder / "__init__.py").touch()
    file.write_text(textwrap.dedent(source))


WRITER = """
    class SummaryWriter:
        written = []
        def add_scalar(self, tag, scalar_value, global_step=None, walltime=None):
            self.written.append((tag, float(scalar_value), global_step))
        def add_scalars(self, main_tag, tag_scalar_dict, global_step=None):
            for tag, value in tag_scalar_dict.items():
                self.add_scalar(f"{main_tag}/{tag}", value, global_step)
"""


WANDB = """
    class Run:
        def log(self, data, step=None, commit=None):
            pass
"""


def rows(events: list[dict[str, Any]]) -> list[tuple[str, str, Any, Any]]:
    return [(e["source"], row["tag"], row["value"], row["step"]) for e in events for row in e["rows"]]


def test_tensorboard(tmp_path: Path) -> None:
    make(tmp_path, "tensorboardX/writer.py", WRITER)
    source = (
        TRAIN
        + """
    from tensorboardX.writer import SummaryWriter
    writer = SummaryWriter()
    for i in range(2):
        loss = step()
        writer.add_scalar("loss", loss, i)
        writer.add_scalar(tag="lr", scalar_value=0.5, global_step=i)
    writer.add_scalars("both", {"a": 1, "b": float("nan")}, 9)
    print(len(writer.written))
    """
    )
    run = run_script(tmp_path, source)
    assert (run.code, run.stdout) == (0, "6\n"), run.stderr
    found = rows(run.of("scalars"))
    assert [(tag, step) for _, tag, _, step in found] == [
        ("loss", 0), ("lr", 0), ("loss", 1), ("lr", 1), ("both/a", 9), ("both/b", 9)
    ]  # fmt: skip
    assert found[0][2] > 0 and found[1][2] == 0.5 and found[5][2] == "nan"
    assert [event["at"] for event in run.of("scalars")] == [1, 2]


def test_wandb(tmp_path: Path) -> None:
    make(
        tmp_path,
        "wandb/sdk/wandb_run.py",
        "class Run:\n    def log(self, data, step=None, commit=None):\n        pass\n",
    )
    source = (
        TRAIN
        + """
    from wandb.sdk.wandb_run import Run
    run = Run()
    step()
    run.log({"loss": torch.tensor(0.5), "val": {"acc": 0.75}, "name": "text", "picture": object()}, step=3)
    run.log(dict(loss=1.5))
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error")
    assert rows(run.of("scalars")) == [
        ("wandb", "loss", 0.5, 3),
        ("wandb", "val/acc", 0.75, 3),
        ("wandb", "loss", 1.5, None),
    ]


def test_a_trainer_that_logs_to_a_logger_is_told_once(tmp_path: Path) -> None:
    make(tmp_path, "tensorboardX/writer.py", WRITER)
    make(
        tmp_path,
        "transformers/trainer.py",
        """
        from tensorboardX.writer import SummaryWriter
        class Trainer:
            class state:
                global_step = 7
            def log(self, logs, start_time=None):
                for tag, value in logs.items():
                    SummaryWriter().add_scalar(tag, value, 7)
        """,
    )
    source = (
        TRAIN
        + """
    from transformers.trainer import Trainer
    class Own(Trainer):
        def log(self, logs, start_time=None):
            super().log(logs, start_time=start_time)
    step()
    Own().log({"loss": 2.0})
    """
    )
    run = run_script(tmp_path, source)
    assert run.code == 0, run.stderr
    assert rows(run.of("scalars")) == [("transformers", "loss", 2.0, 7)]
