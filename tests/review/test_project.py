"""Reading whole projects: local imports, columns, comments, what cannot be read, and text no person writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmon.checks.finding import ERROR, HINT, WARNING
from dlmon.commands.review import review as command
from dlmon.errors import UserError
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS
from dlmon.rehearsal.verdicts import review as verdict
from dlmon.review import render
from dlmon.review.locate import script_of
from dlmon.review.project import Project
from dlmon.review.read import review, review_project
from dlmon.review.source import parse
from tests.review.broken_cases import BROKEN, SETUP
from tests.review.healthy_cases import HEALTHY

ROOT = Path(__file__).parents[2]
NAMED = {
    "eval_mode_left_on": "train_mode_not_restored", "lr_too_high": "lr_too_high",
    "never_overfits": "layer_replaced_after_optimizer",
    "no_zero_grad": "no_zero_grad", "shape_mismatch": "layer_sizes", "softmax_before_ce": "softmax_before_ce",
    "zero_grad_after_backward": "zero_grad_after_backward", "nan_log_zero": "log_of_probability",
    "mse_broadcast": "loss_broadcast",
}  # fmt: skip


def write(folder: Path, train: str, files: Mapping[str, str] | None = None) -> Path:
    """The script train.py, and other files by their paths."""
    for name, text in {"train.py": train, **(files or {})}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder / "train.py"


@pytest.mark.parametrize("script", sorted((ROOT / "sample_tasks").glob("*.py")), ids=lambda path: path.stem)
def test_healthy_sample_tasks_hear_nothing(script: Path) -> None:
    assert [f.id for f in review(script, ROOT).findings] == []


@pytest.mark.parametrize("name", NAMED)
def test_broken_sample_tasks_are_named(name: str) -> None:
    found = review(ROOT / "sample_tasks/broken" / f"{name}.py", ROOT)
    assert f"review.{NAMED[name]}" in [f.id for f in found.findings]


@pytest.mark.parametrize("script", sorted((ROOT / "tests/strangers").rglob("*.py")), ids=lambda path: path.stem)
def test_strangers_hear_hints_at_most(script: Path) -> None:
    assert [f for f in review(script, ROOT).findings if f.severity != HINT] == []


SPREAD = {
    "models/__init__.py": """
from .net import Net as _Net

def build():
    return _Net()
""",
    "models/net.py": """
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(x).softmax(dim=1)
""",
    "losses.py": """
from torch.nn import CrossEntropyLoss

def make():
    return CrossEntropyLoss()
""",
    "engine.py": """
import torch

torch.manual_seed(0)

def fit(model, data, loss_fn):
    opt = torch.optim.SGD(model.parameters(), 0.1)
    for x, y in data:
        opt.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        opt.step()
""",
}


def test_a_fault_is_found_across_local_imports(tmp_path: Path) -> None:
    main = "from engine import fit\nfrom models import build\nimport losses as L\nfit(build(), [], L.make())\n"
    script = write(tmp_path, main, SPREAD)
    found = review(script, tmp_path)
    assert found.files == 5
    (finding,) = found.findings
    assert finding.id == "review.softmax_before_ce"
    assert finding.where is not None
    assert (finding.where.file, finding.where.line, finding.where.function) == ("engine.py", 10, "fit")
    assert finding.evidence["comes_from"] == "models/net.py:10"


def test_columns_count_characters_from_one(tmp_path: Path) -> None:
    script = write(tmp_path, "import torch\nß = '→'; m = torch.load('x')\n")
    (finding,) = review(script, tmp_path).findings
    assert render.place(finding) == "train.py:2:14"


@pytest.mark.parametrize(
    "text",
    [
        "m = torch.load('x')  # dlmon: ignore",
        "m = torch.load('x')  # dlmon: ignore[review.load_without_weights_only, other]",
        "# dlmon: ignore[load_without_weights_only]\nm = torch.load('x')",
    ],
)
def test_comments_silence(text: str, tmp_path: Path) -> None:
    found = review(write(tmp_path, f"import torch\n{text}\n"), tmp_path)
    assert (found.findings, found.silenced) == ((), 1)


@pytest.mark.parametrize(
    "text",
    [
        "m = torch.load('x')  # dlmon: ignore[no_seed]",
        "m = torch.load('# dlmon: ignore')",
        "a = 1  # dlmon: ignore\nm = torch.load('x')",
    ],
)
def test_other_comments_do_not(text: str, tmp_path: Path) -> None:
    assert len(review(write(tmp_path, f"import torch\n{text}\n"), tmp_path).findings) == 1


def test_a_script_that_is_no_python_is_one_line(tmp_path: Path) -> None:
    script = write(tmp_path, "x = 1\ndef f(:\n")
    with pytest.raises(UserError, match=r"^train\.py:2:7: .* cannot be reviewed$"):
        review(script, tmp_path)
    with pytest.raises(UserError, match="cannot be read: no such file"):
        review(tmp_path / "other.py", tmp_path)


def test_an_import_that_is_no_python_is_passed_by(tmp_path: Path) -> None:
    found = review(write(tmp_path, "import torch, helper\n", {"helper.py": "def f(:\n"}), tmp_path)
    assert found.unread == ("helper.py",)
    assert "not valid Python: helper.py" in render.summary(found)


def test_generated_code_is_read(tmp_path: Path) -> None:
    """20,000 lines, deep chains and nests: nothing may end in a RecursionError."""
    big = "".join(
        f"class C{i}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.fc = nn.Linear({i + 1}, 4)\n"
        f"    def forward(self, x):\n        if x is None:\n            return x\n        return self.fc(x)\n"
        f"def f{i}(x):\n    y = C{i}()(x)\n    return f{max(0, i - 1)}(y)\n"
        for i in range(1600)
    )
    chain = "total = " + " + ".join(f"f{i}(None)" for i in range(300)) + "\n"
    elifs = "if total == 0:\n    k = 0\n" + "".join(f"elif total == {i}:\n    k = {i}\n" for i in range(1, 300))
    nest = "".join("    " * i + f"for i{i} in range(2):\n" for i in range(15)) + "    " * 15 + "pass\n"
    _, fault = BROKEN["no zero_grad in a helper"]
    script = write(tmp_path, fault + big + chain + elifs + nest)
    found = review(script, tmp_path)
    assert found.lines > 17_000
    assert not found.failed
    assert "review.no_zero_grad" in [f.id for f in found.findings]


def test_cycles_of_names_and_imports_end(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        "import a\nfrom a import *\nclass A(A): pass\nclass B(C): pass\nclass C(B): pass\nx = x\ny = z\nz = y\n"
        "def f(n): return f(n)\ndef g(): return h()\ndef h(): return g()\nm = f(m)\nloss = g()\nloss.backward()\n"
        "for i in loss:\n    loss = loss + h()\n    loss.step()\n",
        {"a.py": "from b import thing\n", "b.py": "from a import thing\n"},
    )  # fmt: skip
    assert review(script, tmp_path).files == 3


_PIECES = st.sampled_from(
    [line for text in [*HEALTHY.values(), *(t for _, t in BROKEN.values())] for line in text.splitlines()]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES, max_size=40))
def test_scrambled_scripts_raise_nothing(lines: list[str]) -> None:
    """Lines of real scripts in any order, as far as they are still Python."""
    rows: list[str] = []
    for line in lines:
        rows.append(line.strip() or "pass")
        if rows[-1].endswith(":"):
            rows[-1] += " pass"
        try:
            compile("\n".join(rows), "train.py", "exec")
        except (SyntaxError, ValueError):
            rows.pop()
    source = parse(Path("/nowhere/train.py"), "train.py", "\n".join(rows).encode())
    assert not review_project(Project([source], [Path("/nowhere")])).failed


# ---- the command and the verdict


def test_the_command_prints_places_fixes_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    rule, text = BROKEN["zero_grad after backward"]
    line = next(number for number, row in enumerate(text.splitlines(), 1) if row.endswith("# HERE"))
    write(tmp_path, text)
    assert command(["train.py", "--lr", "1"], module=None, as_json=False) == 1
    first, fix, last = capsysbinary.readouterr().out.decode().splitlines()
    assert first.startswith(f"train.py:{line}:5: error review.{rule}: gradients are cleared after backward")
    assert fix == "    Move it in front of `backward()` or behind `step()`."
    assert last == f"1 file, {len(text.splitlines())} lines: 1 error"

    assert command([], module="train", as_json=True) == 1
    (row,) = json.loads(capsysbinary.readouterr().out)
    assert row["where"] == {"file": "train.py", "line": line, "column": 5}
    assert row["severity"] == "error"
    assert row["advice"] == row["evidence"]["fix"]


def test_hints_alone_are_exit_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "import torch\nm = torch.load('x')\n")
    assert command(["train.py"], module=None, as_json=False) == 0


def test_a_command_without_python_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "", {"pkg/__main__.py": "", "pkg/sub.py": ""})
    with pytest.raises(UserError, match="no Python source"):
        command(["./train.sh"], module=None, as_json=False)
    with pytest.raises(UserError, match=r"trian\.py does not exist; did you mean train\.py\?"):
        command(["trian.py"], module=None, as_json=False)
    assert script_of(["torchrun", "--nproc-per-node", "2", "train.py", "x"], None, tmp_path) == tmp_path / "train.py"
    assert script_of(["torchrun", "-m", "pkg.sub"], None, tmp_path) == tmp_path / "pkg/sub.py"
    assert script_of(["pkg"], None, tmp_path) == tmp_path / "pkg/__main__.py"
    assert script_of([], "pkg", tmp_path) == tmp_path / "pkg/__main__.py"


def test_the_verdict_fails_on_errors_only(tmp_path: Path) -> None:
    _, error = BROKEN["no zero_grad in a helper"]
    _, warning = BROKEN["softmax in the call"]
    _, hint = BROKEN["torch.load"]
    told = {}
    for severity, text in ((ERROR, error), (WARNING, warning), (HINT, hint), ("nothing", SETUP)):
        script = write(tmp_path, text)
        told[severity] = verdict.judge(script, tmp_path)
    assert {key: report.verdict for key, report in told.items()} == {
        ERROR: FAIL,
        WARNING: PASS,
        HINT: PASS,
        "nothing": PASS,
    }
    assert told[WARNING].summary.endswith("lines: 1 warning")
    assert "train.py:" in told[ERROR].next_step and "zero_grad" in told[ERROR].next_step
    assert [item.name for item in told[ERROR].items] == ["read", "errors", "warnings", "hints"]
    assert told[ERROR].items[1].verdict == FAIL
    assert told["nothing"].findings == ()


def test_the_verdict_without_python_source(tmp_path: Path) -> None:
    assert verdict.judge(None, tmp_path).verdict == INCONCLUSIVE
    broken = verdict.judge(write(tmp_path, "def f(:\n"), tmp_path)
    assert broken.verdict == FAIL
    assert "train.py:1:7" in broken.summary
