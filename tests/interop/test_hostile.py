"""Truncated, corrupt and hostile sources: a run or one clear line, and nothing that a terminal acts on."""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlmon.errors import UserError
from dlmon.headless import replay
from dlmon.interop import open_source
from dlmon.interop.writers import csv, jsonl
from dlmon.interop.writers.table import Table
from tests.interop.made import event, event_file, series, snapshot, summary_value, wandb_file, write
from tests.interop.test_tensorboard import FORMS, NAME
from tests.interop.test_text_sources import LIGHTNING, history, trainer_state

ESCAPE = "\x1b]0;pwned\x07\x1b[2J\x9b31m"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

SOURCES = {
    NAME: event_file((step, {"loss": 1 / (step + 1), "val_loss": 2.0}) for step in range(30))
    + b"".join(event(step, value) for step, (value, _) in enumerate(FORMS.values())),
    "metrics.csv": LIGHTNING.encode(),
    "a.jsonl": b'{"step": 1, "loss": 0.5, "n": {"x": 1}}\n{"step": 2, "loss": "nan"}\n',
    "trainer_state.json": trainer_state(4).encode(),
    "run.wandb": wandb_file(history(40, 900), exit_code=0),
}


def check(path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str] | None = None) -> None:
    """Open it and read all of what came of it."""
    try:
        folder = open_source(path, tmp_path / "cache")
    except UserError as error:
        assert str(error)
        assert not CONTROL.search(str(error))
        return
    assert folder is not None
    shown = snapshot(folder)
    assert shown.corrupt_lines == 0
    assert not any("made no sense" in notice for notice in shown.notices)
    for name in ("rank0.jsonl", "host.jsonl"):
        for line in (folder / name).read_bytes().splitlines():
            json.loads(line)
    if capfd is not None:
        replay.replay(folder, as_json=False)
        assert not CONTROL.search("".join(capfd.readouterr()))


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_a_run_or_a_clear_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    original = bytearray(SOURCES[name])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(original) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "drop"]))
        if kind == "flip":
            original[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del original[at + 1 :]
        elif kind == "insert":
            original[at:at] = data.draw(st.binary(max_size=20))
        else:
            del original[at : at + data.draw(st.integers(1, 30))]
        if not original:
            break
    tmp_path = tmp_path_factory.mktemp("hostile")
    check(write(tmp_path / name, bytes(original)), tmp_path)


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_give_a_run_or_a_clear_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    tmp_path = tmp_path_factory.mktemp("random")
    check(write(tmp_path / name, data), tmp_path)


def hostile(name: str) -> bytes:
    """A well-formed source that has escape sequences wherever there can be text."""
    tag = ESCAPE + "loss"
    if name == NAME:
        return event(1, summary_value(tag, b"\x15\0\0\x80\x3f")) + event_file([(2, {tag: 1.0, ESCAPE: 2.0})])
    if name == "metrics.csv":
        return f"step,{tag},{ESCAPE}\n1,0.5,1\n2,0.25,{ESCAPE}\n".encode()
    if name == "a.jsonl":
        return json.dumps({"step": 1, tag: 1.0, ESCAPE: {ESCAPE: 1}}).encode() + b"\n" + f'{{"{tag}": 1}}\n'.encode()
    if name == "trainer_state.json":
        return json.dumps({"log_history": [{tag: 1.0, ESCAPE: 2.0, "step": 1}]}).encode()
    return wandb_file([{tag: "1.0", ESCAPE: "2.0"}])


@pytest.mark.parametrize("name", SOURCES)
def test_no_escape_sequence_of_a_source_is_printed(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    check(write(tmp_path / name, hostile(name)), tmp_path, capfd)


@pytest.mark.parametrize("name", SOURCES)
def test_no_escape_sequence_is_exported(tmp_path: Path, name: str) -> None:
    folder = open_source(write(tmp_path / name, hostile(name)), tmp_path / "cache")
    assert folder is not None
    table = Table(folder)
    with (tmp_path / "out").open("wb") as file:
        csv.write(table.rows(), table.columns(), file)
        jsonl.write(table.rows(), file)
    written = (tmp_path / "out").read_text()
    assert "pwned" in written
    assert not CONTROL.search(written)


def test_an_escape_sequence_in_a_files_name_is_not_printed(tmp_path: Path) -> None:
    path = write(tmp_path / f"{ESCAPE}{NAME}", b"no events, but long enough to look at")
    with pytest.raises(UserError) as raised:
        open_source(path, tmp_path / "cache")
    assert not CONTROL.search(str(raised.value))


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"step": 1, "loss": 0.5}\n{"')
        file.truncate(200 << 20)  # a hole: two hundred mebibytes of zeros
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    folder = open_source(path, tmp_path / "cache")
    assert folder is not None
    assert series(snapshot(folder), "loss").count == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 << 10  # KiB


def test_steps_and_times_out_of_all_bounds(tmp_path: Path) -> None:
    rows = [
        {"step": 1 << 70, "time": 1e300, "loss": 1},
        {"step": -5, "time": -1e300, "loss": 2},
        {"step": 3, "time": "inf", "loss": 1e308},
        {"step": 2, "time": 5, "loss": 4, "lr": 1e308},
        {"step": 9e15, "time": 7, "loss": -1e308},
    ]
    check(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))), tmp_path)
