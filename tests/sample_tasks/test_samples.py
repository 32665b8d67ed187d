"""The sample tasks keep what their first lines say: they explain themselves, learn, and break as announced."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlmon.checks.registry import all_checks
from tests.end_to_end.test_diagnosis import BROKEN, expected_finding
from tests.end_to_end.twins import REPOSITORY, SAMPLES, environment

HEALTHY = sorted(SAMPLES.glob("*.py"))
ALLOWED = {"torch", "tqdm"} | set(sys.stdlib_module_names)


def run(name: str, *options: str, cwd: Path) -> str:
    command = [sys.executable, str(SAMPLES / name), *options]
    result = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("script", HEALTHY + BROKEN, ids=lambda path: path.stem)
def test_a_sample_explains_itself_and_needs_only_torch(script: Path) -> None:
    tree = ast.parse(script.read_text())
    assert len(ast.get_docstring(tree) or "") > 150
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= ALLOWED
    # `.numpy()` would need what torch can do without.
    assert ".numpy()" not in script.read_text()


@pytest.mark.parametrize("script", BROKEN, ids=lambda path: path.stem)
def test_a_broken_sample_announces_a_finding_that_exists(script: Path) -> None:
    assert expected_finding(script) in {registered.id for registered in all_checks()}


def test_the_demo_learns_what_its_baseline_cannot(tmp_path: Path) -> None:
    small = ("--train-size", "3200", "--epochs", "3")
    accuracy = {}
    for model in ("cnn", "linear"):
        output = run("stripes_cnn.py", "--model", model, *small, cwd=tmp_path)
        found = re.search(r"unseen pictures: .* accuracy ([\d.]+)%", output)
        assert found, output
        accuracy[model] = float(found[1])
        assert (tmp_path / "outputs" / f"stripes_{model}.pt").exists()
    assert accuracy["cnn"] > 65 and accuracy["linear"] < 50


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    options = ("--epochs", "1", "--rows", "640")
    first, again, other = (run("regression.py", *options, "--seed", seed, cwd=tmp_path) for seed in "001")
    assert first == again
    assert first.splitlines()[-1] != other.splitlines()[-1]


def test_make_says_in_one_line_that_there_is_no_python(tmp_path: Path) -> None:
    command = ["make", "-C", str(REPOSITORY), "demo", "PYTHON=no-such-python", f"VENV={tmp_path}/venv"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    said = [line for line in result.stderr.splitlines() if "***" not in line]
    assert len(said) == 1 and "no Python 3.10 or newer found" in said[0]
