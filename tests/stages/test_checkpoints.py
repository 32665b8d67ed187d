"""What a script saved in smoke is loaded back at its end."""

from __future__ import annotations

from pathlib import Path

from tests.probes.injected import Run
from tests.stages.watched import rehearse

TRAIN = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
    def forward(self, x):
        return self.layer(x)

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    optimizer.zero_grad()
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
"""


def checkpoints(tmp_path: Path, source: str, **more: str) -> tuple[Run, dict[str, dict[str, object]]]:
    run = rehearse(tmp_path, TRAIN + source, **more)
    assert run.code == 0, run.stderr
    assert not run.of("probe_error"), run.of("probe_error")
    return run, {Path(event["path"]).name: event for event in run.of("checkpoint")}


def test_each_kind_is_told_apart(tmp_path: Path) -> None:
    run, found = checkpoints(
        tmp_path,
        """
import io
torch.save(model.state_dict(), "state.pt")
torch.save(model, "whole.pt")
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "legacy.ckpt",
           _use_new_zipfile_serialization=False)
buffer = io.BytesIO()
torch.save(model.state_dict(), buffer)
open("by_hand.bin", "wb").write(buffer.getvalue())
open("cut.pt", "wb").write(buffer.getvalue()[:-100])
torch.save({"epoch": 3}, "no_tensors.pt")
torch.jit.script(model).save("script.pt")
open("notes.txt", "w").write("no checkpoint")
""",
    )
    verdicts = {name: (event["loads"], event["weights_only"]) for name, event in found.items()}
    assert verdicts == {
        "state.pt": (True, True), "whole.pt": (True, False), "legacy.ckpt": (True, True), "by_hand.bin": (True, True),
        "cut.pt": (False, False),
    }  # fmt: skip
    assert "Net" in str(found["whole.pt"]["error"]) and "\x1b" not in str(found["whole.pt"]["error"])
    assert found["cut.pt"]["error"] and found["state.pt"]["error"] == ""
    stored = run.folder / str(found["state.pt"]["stored"])
    assert stored.stat().st_size == found["state.pt"]["bytes"]
    assert found["state.pt"]["path"] == str(tmp_path / "state.pt") and found["state.pt"]["step"] == 2


def test_a_file_that_was_removed_or_overwritten_is_tried_as_it_is_at_the_end(tmp_path: Path) -> None:
    _, found = checkpoints(
        tmp_path,
        """
import os
torch.save(model.state_dict(), "gone.pt")
os.remove("gone.pt")
torch.save(model.state_dict(), "last.tmp")
os.replace("last.tmp", "last.pt")
""",
    )
    assert list(found) == ["last.pt"]


def test_of_many_the_five_largest(tmp_path: Path) -> None:
    _, found = checkpoints(tmp_path, "for n in range(8): torch.save(torch.zeros(10 + 100 * n), f'e{n}.pt')")
    assert set(found) == {f"e{n}.pt" for n in range(3, 8)}


def test_loading_disturbs_nothing(tmp_path: Path) -> None:
    """Random states, warnings as errors, the default device, and user code that runs when a model is unpickled."""
    before = """
import atexit, random, warnings

def look():
    same = (torch.get_rng_state().sum().item(), random.getstate()) == states
    print(same, torch.empty(1).device.type, torch.is_grad_enabled(), warnings.filters[0][0])

atexit.register(look)  # before the training begins: it runs after the files were loaded
"""
    after = """
def noisy_setstate(self, state):
    torch.rand(3), random.random(), warnings.warn("loud")
    self.__dict__.update(state)

Net.__setstate__ = noisy_setstate
torch.save(model, "whole.pt")
warnings.simplefilter("error")
torch.set_default_device("meta")
torch.set_grad_enabled(False)
states = torch.get_rng_state().sum().item(), random.getstate()
"""
    run = rehearse(tmp_path, before + TRAIN + after)
    (event,) = run.of("checkpoint")
    assert (event["loads"], event["weights_only"]) == (True, False)
    assert "Warning" not in event["error"]
    assert run.stdout.strip() == "True meta False error", run.stderr


def test_another_stage_loads_nothing(tmp_path: Path) -> None:
    run = rehearse(tmp_path, TRAIN + "torch.save(model.state_dict(), 'state.pt')", stage="repeat")
    assert run.of("checkpoint") == []
