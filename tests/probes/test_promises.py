"""Fail open, quiet in bystanders, and nothing left on the user's objects."""

import json
import os
import subprocess
import sys
from pathlib import Path

from dlmon_probes import control
from tests.probes.injected import PROBES, environment, run_script
from tests.probes.training import train

LOOP = """
net = nn.Linear(4, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(6):
    optimizer.zero_grad(); loss = net(torch.randn(8, 4)).pow(2).mean(); loss.backward(); optimizer.step()
    print(repr(loss.item()))
"""


def test_a_probe_that_fails_is_reported_once_and_training_goes_on(tmp_path) -> None:
    breaking = (
        "import dlmon_probes.training.tensors as t\ndef no(*a): raise RuntimeError('broken probe')\nt.subsample = no\n"
    )
    (tmp_path / "a").mkdir()
    plain = train(tmp_path / "a", LOOP, plain=True)
    run = train(tmp_path, breaking + LOOP)
    assert (run.code, run.stdout, run.stderr) == (0, plain.stdout, plain.stderr)
    errors = run.of("probe_error")
    assert len({error["probe"] for error in errors}) == len(errors) >= 1
    assert any("broken probe" in error["error"] for error in errors)
    assert sum(len(block["at"]) for block in run.of("steps")) == 6


def test_a_run_folder_that_vanished_stops_nothing(tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('trained')")
    env = environment(tmp_path / "gone")
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "trained\n", "")


def test_processes_that_do_not_train_write_nothing(tmp_path) -> None:
    run = run_script(
        tmp_path,
        """
        import subprocess, sys
        import torch
        with torch.no_grad():
            print(torch.nn.Linear(2, 1)(torch.ones(1, 2)).shape)
        subprocess.run([sys.executable, "-c", "import torch; torch.ones(2).sum()"], check=True)
        """,
    )
    assert run.code == 0
    assert list(run.folder.glob("*.jsonl")) == []


def test_loader_workers_and_forked_children_write_nothing(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        import os
        from torch.utils.data import DataLoader, TensorDataset
        net = nn.Linear(4, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for (x,) in DataLoader(TensorDataset(torch.randn(64, 4)), batch_size=8, num_workers=2):
            optimizer.zero_grad(); net(x).pow(2).mean().backward(); optimizer.step()
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        """,
    )
    assert [path.name for path in run.folder.glob("*.jsonl")] == ["rank0.jsonl"]
    assert len(run.of("hello")) == 1
    assert sum(len(block["at"]) for block in run.of("steps")) == 8


def test_a_forked_child_that_trains_reports_for_itself(tmp_path) -> None:
    run = train(
        tmp_path,
        """
        import os
        def train():
            net = nn.Linear(4, 1); optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(5):
                optimizer.zero_grad(); net(torch.randn(8, 4)).pow(2).mean().backward(); optimizer.step()
        import multiprocessing
        children = [multiprocessing.get_context("fork").Process(target=train) for _ in range(2)]
        for child in children: child.start()
        for child in children: child.join()
        """,
    )
    assert len(list(run.folder.glob("rank0*.jsonl"))) == 2
    assert len({hello["pid"] for hello in run.of("hello")}) == 2
    assert sum(len(block["at"]) for block in run.of("steps")) == 10


def test_models_optimizers_and_loaders_pickle_and_copy_as_before(tmp_path) -> None:
    body = """
    import copy, pickle
    from torch.utils.data import DataLoader, TensorDataset
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(net.parameters())
    loader = DataLoader(TensorDataset(torch.randn(16, 4)), batch_size=8)
    for (x,) in loader:
        optimizer.zero_grad(); net(x).pow(2).mean().backward(); optimizer.step()
    for thing in (net, optimizer.state_dict(), loader):
        print(len(pickle.dumps(thing)), sorted(vars(copy.deepcopy(thing))) if hasattr(thing, "__dict__") else "")
    print(sorted(vars(net)), len(net._forward_hooks), len(net._backward_hooks), sorted(vars(optimizer)))
    """
    (tmp_path / "plain").mkdir()
    plain = train(tmp_path / "plain", body, plain=True)
    run = train(tmp_path, body)
    assert run.stdout == plain.stdout
    assert run.code == 0, run.stderr


def test_torch_may_be_looked_for_before_it_is_imported(tmp_path) -> None:
    run = run_script(
        tmp_path,
        "import importlib.util\nassert importlib.util.find_spec('torch')\nimport torch\n"
        + LOOP.replace("nn.", "torch.nn."),
    )
    assert run.code == 0, run.stderr
    assert sum(len(block["at"]) for block in run.of("steps")) == 6


def test_torch_keeps_its_loader_and_the_path_its_entries(tmp_path) -> None:
    run = run_script(
        tmp_path, "import sys, torch\nprint(type(torch.__loader__).__name__, any('bootstrap' in p for p in sys.path))"
    )
    assert run.stdout.split() == ["SourceFileLoader", "False"]


def test_the_users_own_sitecustomize_still_runs(tmp_path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('mine')")
    run = tmp_path / "run"
    run.mkdir()
    control.create(str(run))
    env = environment(run)
    env["PYTHONPATH"] += os.pathsep + str(own)
    command = [
        sys.executable,
        "-c",
        "import sitecustomize, sys; print(sitecustomize.__file__, 'dlmon_probes' in sys.modules)",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["mine", str(own / "sitecustomize.py"), "True"]
    assert control.ControlPage(str(run)).read(control.STAGE) == control.STAGE_PYTHON


def test_what_is_injected_needs_only_the_standard_library() -> None:
    """Imported without site-packages, every module but those of the supervisor's room."""
    modules = sorted(
        str(path.relative_to(PROBES.parent).with_suffix("")).replace(os.sep, ".").removesuffix(".__init__")
        for path in PROBES.rglob("*.py")
        if "host" not in path.parts and "bootstrap" not in path.parts
    )
    first = f"import sys, importlib; sys.path.insert(0, {str(PROBES.parent)!r})"
    code = f"{first}\nfor m in {modules!r}: importlib.import_module(m)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_log_is_complete_json(tmp_path) -> None:
    run = train(tmp_path, LOOP)
    lines = Path(run.folder / "rank0.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["k"] == "hello"
    assert json.loads(lines[-1])["k"] in ("steps", "end")
