"""Libraries that write from C are redirected too, and read back what they wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from dlmon.rehearsal.files import written_files
from dlmon.rehearsal.report import WrittenFile
from dlmon_probes.stages.files import trackers
from tests.probes.injected import Run
from tests.stages.watched import journal, rehearse, state

START = """
import os, pathlib
import torch
model = torch.nn.Linear(3, 2)
"""

# What is written, by which means the journal must have seen it, and how it is read back.
SAVERS = {
    "torch.save": ("torch.save", "m.pt", "torch.save(model.state_dict(), 'm.pt'); torch.load('m.pt')"),
    "Path": ("torch.save", "m.pt", "torch.save(1, pathlib.Path('m.pt')); assert torch.load(pathlib.Path('m.pt')) == 1"),
    "not ASCII": ("torch.save", "modèle.pt", "torch.save(model.state_dict(), 'modèle.pt'); torch.load('modèle.pt')"),
    "mmap": ("torch.save", "m.pt", "torch.save(model.state_dict(), 'm.pt')\n"
             "assert torch.equal(torch.load('m.pt', mmap=True)['weight'], model.weight)"),
    "legacy": ("open", "m.pt", "torch.save(model.state_dict(), 'm.pt', _use_new_zipfile_serialization=False)\n"
               "assert torch.equal(torch.load('m.pt')['weight'], model.weight)"),
    "over a real one": ("torch.save", "real.pt", "torch.save(2, 'real.pt'); assert torch.load('real.pt') == 2"),
    "atomic": ("torch.save", "m.pt", "torch.save(3, 'm.tmp'); os.replace('m.tmp', 'm.pt')\n"
               "assert torch.load('m.pt') == 3"),
    "script": ("torch.jit", "m.pt", "torch.jit.script(model).save('m.pt'); torch.jit.load('m.pt')(torch.ones(1, 3))"),
    "jit.save": ("torch.jit", "m.pt", "torch.jit.save(torch.jit.script(model), 'm.pt'); torch.jit.load('m.pt')"),
    "traced": ("torch.jit", "m.pt", "torch.jit.trace(model, torch.ones(1, 3)).save('m.pt'); torch.jit.load('m.pt')"),
    "export": ("torch", "m.pt2", "torch.export.save(torch.export.export(model, (torch.ones(1, 3),)), 'm.pt2')\n"
               "torch.export.load('m.pt2')"),
    "shared storage": ("torch storage", "s.bin", "t = torch.from_file('s.bin', shared=True, size=4); t.fill_(1)\n"
                       "assert torch.from_file('s.bin', size=4).sum() == 4"),
    "memmap": ("open", "a.bin", "import numpy as np\nm = np.memmap('a.bin', 'f4', 'w+', shape=4); m[:] = 1; m.flush()\n"
               "assert np.memmap('a.bin', 'f4', 'r').sum() == 4"),
    "tofile": ("open", "a.bin", "import numpy as np\nnp.ones(3).tofile('a.bin')\n"
               "assert np.fromfile('a.bin').sum() == 3"),
    "savez": ("open", "a.npz", "import numpy as np\nnp.savez('a.npz', a=np.ones(3))\n"
              "assert np.load('a.npz')['a'].sum() == 3"),
    "npy over a map": ("open", "a.npy", "import numpy as np\nnp.save('a.npy', np.ones(3))\n"
                       "assert np.load('a.npy', mmap_mode='r').sum() == 3"),
}  # fmt: skip


@dataclass
class Saved:
    """One script that used every saver in a folder of its own, the file real.pt in each."""

    run: Run
    folder: Path
    unchanged: bool
    troubles: dict[str, str]
    files: dict[str, list[WrittenFile]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("project")
    for name in SAVERS:
        (folder / name).mkdir()
        (folder / name / "real.pt").write_bytes(b"the user's own")
    before = state(folder)
    source = (
        START
        + f"""
import json, traceback
troubles = {{}}
for name, (_, _, source) in {SAVERS!r}.items():
    os.chdir(name)
    try:
        exec(source)
    except Exception:
        troubles[name] = traceback.format_exc()
    os.chdir("..")
print(json.dumps(troubles))
"""
    )
    run = rehearse(folder, source)
    assert run.code == 0, run.stderr
    files: dict[str, list[WrittenFile]] = {}
    for file in written_files(run.folder):
        files.setdefault(Path(file.path).parent.name, []).append(file)
    return Saved(run, folder, state(folder) == before, json.loads(run.stdout), files)


@pytest.mark.parametrize("saver", SAVERS)
def test_saved_into_the_run_and_read_back(saved: Saved, saver: str) -> None:
    how, name, _ = SAVERS[saver]
    assert saver not in saved.troubles, saved.troubles[saver]
    (found,) = saved.files[saver]
    assert (found.path, found.how) == (str(saved.folder / saver / name), how)
    assert (saved.run.folder / found.stored).stat().st_size == found.bytes


def test_no_saver_reached_the_project(saved: Saved) -> None:
    assert saved.unchanged


def test_saving_into_a_folder_that_is_missing_says_what_torch_says(tmp_path: Path) -> None:
    source = """
try:
    torch.save(model, os.path.abspath("none/m.pt"))
except RuntimeError as error:
    print(error)
try:
    torch.load("none.pt")
except FileNotFoundError as error:
    print(error.filename)
"""
    run = rehearse(tmp_path, START + source)
    assert run.stdout.splitlines() == [f"Parent directory {tmp_path}/none does not exist.", "none.pt"], run.stderr
    assert written_files(run.folder) == ()


def test_the_real_checkpoint_is_loaded_until_it_is_written(tmp_path: Path) -> None:
    """A script that resumes, rotates and lists its checkpoints."""
    make = rehearse(tmp_path, START + "torch.save({'epoch': 7}, os.path.join(os.environ['OUT'], 'last.pt'))",
                    OUT=str(tmp_path / "run"))  # fmt: skip
    assert make.code == 0, make.stderr
    (tmp_path / "ckpt").mkdir()
    (make.folder / "last.pt").replace(tmp_path / "ckpt" / "last.pt")
    make.folder.rename(tmp_path / "ckpt" / "earlier-run")
    before = state(tmp_path)
    run = rehearse(
        tmp_path,
        START
        + """
epoch = torch.load("ckpt/last.pt")["epoch"]
for epoch in range(epoch + 1, epoch + 4):
    torch.save({"epoch": epoch}, f"ckpt/e{epoch}.pt")
    torch.save({"epoch": epoch}, "ckpt/last.tmp")
    os.replace("ckpt/last.tmp", "ckpt/last.pt")
    for old in sorted(pathlib.Path("ckpt").glob("e[0-9]*.pt"), key=os.path.getmtime)[:-1]:
        old.unlink()
print(torch.load("ckpt/last.pt")["epoch"], sorted(p.name for p in pathlib.Path("ckpt").glob("*.*")))
""",
    )
    assert run.stdout.strip() == "10 ['e10.pt', 'last.pt']", run.stderr
    assert state(tmp_path) == before
    assert [Path(file.path).name for file in written_files(run.folder)] == ["e10.pt", "last.pt"]


def test_tensors_are_shared_and_workers_run_as_ever(tmp_path: Path) -> None:
    """A loader's workers, forked and spawned, need sockets and files under the temporary folder."""
    run = rehearse(
        tmp_path,
        """
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Rows(Dataset):
            def __len__(self):
                return 8
            def __getitem__(self, index):
                open("seen.txt", "a").write(f"{index}\\n")
                return torch.full((3,), float(index))

        if __name__ == "__main__":
            for context in ("fork", "spawn"):
                torch.multiprocessing.set_sharing_strategy("file_system" if context == "fork" else "file_descriptor")
                loader = DataLoader(Rows(), batch_size=2, num_workers=2, multiprocessing_context=context)
                assert sum(batch.sum().item() for batch in loader) == 84
            print(len(open("seen.txt").read().split()))
        """,
    )
    assert (run.code, run.stdout.strip()) == (0, "16"), run.stderr
    assert {row["path"] for row in journal(run)} == {str(tmp_path / "seen.txt")}


def test_trackers_stay_off_where_they_are_off() -> None:
    found = trackers.environment("/run", {"WANDB_MODE": "disabled"})
    assert "WANDB_MODE" not in found and found["NEPTUNE_MODE"] == "offline"
    assert trackers.environment("/run", {"WANDB_MODE": "online"})["WANDB_MODE"] == "offline"
    assert found["WANDB_DIR"] == "/run" and found["MLFLOW_TRACKING_URI"] == "file:///run/mlruns"
