"""The corpus is named and left in peace as it should be: a few scripts always, all of them in the slow run."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from dlmon.checks.registry import all_checks
from tests.diagnosis.corpus import CORPUS, Task, broken_tasks, healthy_tasks, run_check, run_live

BROKEN = broken_tasks()
HEALTHY = healthy_tasks()
# One of each kind that a mistake of ours would hit first; the rest is in the slow run.
EVERY_TIME = {
    "loss_broadcast_by_hand", "loop_accumulation_cleared_each", "crash_autograd_inplace", "distillation",
    "wgan_gradient_penalty", "amp_grad_scaler",
}  # fmt: skip
whole_corpus = pytest.mark.skipif(
    "CORPUS" not in os.environ, reason="set CORPUS=all: half an hour on two cores; benchmarks/diagnosis.py measures it"
)


def some(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.name in EVERY_TIME]


def test_the_corpus_is_as_large_and_as_varied_as_it_says() -> None:
    announced = {id for task in BROKEN for id in task.expected}
    assert len(BROKEN) >= 70 and len(announced) >= 45 and len(HEALTHY) >= 45
    assert len({task.name for task in BROKEN + HEALTHY}) == len(BROKEN) + len(HEALTHY)
    assert {task.name for task in some(BROKEN) + some(HEALTHY)} == EVERY_TIME


@pytest.mark.parametrize("task", BROKEN, ids=lambda task: task.name)
def test_a_broken_script_announces_findings_that_exist(task: Task) -> None:
    known = {registered.id for registered in all_checks()}
    assert task.expected & known, f"none of {sorted(task.expected)} is a check"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*.py")), ids=lambda path: path.stem)
def test_a_script_says_in_its_first_line_what_it_is(path: Path) -> None:
    source = path.read_text()
    assert ast.get_docstring(ast.parse(source)), "no docstring"
    assert len(source.splitlines()) <= 110


@pytest.mark.slow
@pytest.mark.parametrize("task", some(BROKEN), ids=lambda task: task.name)
def test_a_broken_script_is_named(task: Task, tmp_path: Path) -> None:
    named_in(task, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("task", some(HEALTHY), ids=lambda task: task.name)
def test_a_healthy_script_hears_no_alarm(task: Task, tmp_path: Path) -> None:
    quiet_in(task, tmp_path)


@whole_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", BROKEN, ids=lambda task: task.name)
def test_every_broken_script_is_named(task: Task, tmp_path: Path) -> None:
    if "live" in task.modes:
        named_in(task, tmp_path)
    if "check" in task.modes:
        outcome = run_check(task, tmp_path)
        assert outcome.named(task), outcome


@whole_corpus
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", HEALTHY, ids=lambda task: task.name)
def test_every_healthy_script_hears_no_alarm(task: Task, tmp_path: Path) -> None:
    quiet_in(task, tmp_path)
    outcome = run_check(task, tmp_path)
    assert not outcome.trouble and not outcome.failed and not outcome.false(task), outcome


def named_in(task: Task, folder: Path) -> None:
    outcome = run_live(task, folder)
    assert outcome.named(task), outcome
    assert not outcome.false(task), outcome


def quiet_in(task: Task, folder: Path) -> None:
    outcome = run_live(task, folder)
    assert not outcome.trouble and not outcome.false(task), outcome
