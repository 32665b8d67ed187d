from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlmon.record.manifest import Environment, Git, Manifest, Outcome, read_manifest, write_manifest

FULL = Manifest(
    name="r", command=["python", "a.py"], argv=["a.py"], script="a.py", cwd="/w", created=1.5, python="/p",
    git=Git("abc", True, "git.diff"), environment=Environment(["A", "B"], {"A": "1"}), gpus=["GPU-1"], pid=1,
    supervisor_pid=2, host="h", dlmon="0.1.0", overhead=0.02, outcome=Outcome(137, "SIGKILL", 3.0, 4.0),
)  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    assert read_manifest(tmp_path) == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_none_where_nothing_can_be_read(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    for text in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "run.json").write_bytes(text)
        assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("value", [None, 3, -1, "x", [], {}, [1], {"a": 1}, True, 1e400])
def test_odd_values_do_not_raise(tmp_path: Path, value: object) -> None:
    (tmp_path / "run.json").write_text(json.dumps(dict.fromkeys(Manifest.__dataclass_fields__, value)))
    manifest = read_manifest(tmp_path)
    assert manifest is not None and isinstance(manifest.command, list) and isinstance(manifest.name, str)


def test_later_fields_are_ignored_and_missing_ones_filled(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"pid": 5, "mood": 1, "outcome": {"code": 3}, "name": "a\\u001b[2Jb"}')
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert (manifest.pid, manifest.outcome, manifest.name) == (5, Outcome(code=3), "a [2Jb")


def test_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    with pytest.raises(OSError):
        write_manifest(tmp_path / "missing", FULL)
    assert read_manifest(tmp_path) == FULL
