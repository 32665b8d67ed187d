"""The line in which a process died below Python, from the stack that it left."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon.state.fatal import fatal_line
from dlmon_probes.events import Where
from tests.builders import Story, told

STACK = """Fatal Python error: Segmentation fault

Thread 0x00007f90 (most recent call first):
  File "/home/me/other.py", line 120 in _run

Current thread 0x00007f91 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/home/me/.venv/lib/python3.11/site-packages/torch/nn/module.py", line 9 in forward
  File "/home/me/train.py", line 19 in train
  File "/home/me/train.py", line 30 in <module>

Extension modules: numpy._core (total: 1)
"""


def test_the_users_line_in_the_thread_that_failed(tmp_path: Path) -> None:
    (tmp_path / "stacks-10.txt").write_text("==== 2026-01-01 process 10, step 3\nThread 1:\n")
    (tmp_path / "stacks-11.txt").write_text(STACK)
    assert fatal_line(tmp_path) == Where("/home/me/train.py", 19, "train")


@pytest.mark.parametrize("text", ["", "Fatal Python error: Aborted\n", STACK.replace("Fatal", "Some"), "\xff\x00" * 9])
def test_files_that_tell_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "stacks-10.txt").write_text(text, encoding="latin-1")
    assert fatal_line(tmp_path) is None
    assert fatal_line(tmp_path / "gone") is None


def test_the_finding_names_it(tmp_path: Path) -> None:
    (tmp_path / "stacks-11.txt").write_text(STACK)
    killed = Story(folder=tmp_path).series().losses([1.0]).exit(139, "SIGSEGV")
    finding = told(killed, "crash.killed")
    assert (
        finding.where == Where("/home/me/train.py", 19, "train") and "killed by SIGSEGV in train.py:19" in finding.title
    )
    assert (
        told(Story(folder=tmp_path / "x").series().losses([1.0]).exit(139, "SIGSEGV"), "crash.killed").where is not None
    )
