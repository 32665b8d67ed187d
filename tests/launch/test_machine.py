"""The host sampler on the machine that runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dlmon_probes.events import Gpu
from dlmon_probes.host.machine import Machine
from dlmon_probes.host.processes import ProcessTree, descendants
from tests.support import wait_for


class NoGpu:
    """An accelerator that remembers whose memory was asked for."""

    def __init__(self) -> None:
        self.pids: Sequence[int] = ()

    def uuids(self) -> list[str]:
        return ["GPU-7"]

    def sample(self, pids: Sequence[int]) -> tuple[list[Gpu], str]:
        self.pids = pids
        return [], "no GPU"


def test_a_sample_is_about_this_machine(tmp_path: Path) -> None:
    accelerator = NoGpu()
    machine = Machine(os.getpid(), str(tmp_path), accelerator)
    host = machine.sample()
    assert host.cores == os.cpu_count()
    assert 0 <= host.cpu <= 1
    assert 0 < host.ram_used < host.ram_total
    assert host.disk_free is not None
    assert host.gpu_note == "no GPU"
    assert machine.gpu_uuids() == ["GPU-7"]
    assert accelerator.pids[0] == os.getpid()
    assert host.processes[0].pid == os.getpid()
    assert host.processes[0].rss > 1_000_000
    assert not host.processes[0].blocked, "it runs"
    told = machine.sample().iowait
    assert told is None or 0 <= told <= 1


def test_a_folder_that_is_gone_has_no_free_space(tmp_path: Path) -> None:
    assert Machine(os.getpid(), str(tmp_path / "gone"), NoGpu()).sample().disk_free is None


def test_the_tree_holds_grandchildren_and_forgets_the_dead() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"], start_new_session=True
    )
    try:
        grandchild = wait_for(lambda: descendants(parent.pid), "the grandchild")
        tree = ProcessTree(parent.pid)
        wait_for(lambda: "sleep" in {row.name for row in tree.sample()}, "the grandchild's program")
        assert set(tree.pids) == {parent.pid, *grandchild}
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()
    wait_for(lambda: tree.sample() == [], "the tree to be empty")


def test_processor_time_is_a_share_of_one_core() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        tree = ProcessTree(busy.pid)
        assert tree.sample()[0].cpu == 0
        share = wait_for(lambda: tree.sample()[0].cpu, "the process to use its core")
        assert 0 < share < 1.5
    finally:
        busy.kill()
        busy.wait()
