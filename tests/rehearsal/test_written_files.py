"""The list of what a stage wrote, from its journal."""

from __future__ import annotations

import json
from pathlib import Path

from dlmon.rehearsal.files import written_files
from dlmon.rehearsal.report import WrittenFile
from dlmon_probes.stages.plan import JOURNAL


def write(run: Path, *rows: dict[str, str], tail: str = "") -> None:
    (run / JOURNAL).write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)


def stored(run: Path, name: str, text: str) -> str:
    path = run / "files" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"files/{name}"


def test_sizes_and_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "/p/b.pt", "stored": stored(tmp_path, "p/b.pt", "123"), "how": "torch.save"},
        {"path": "/p/a.csv", "stored": stored(tmp_path, "p/a.csv", "1"), "how": "open"},
        {"path": "/p/a.csv", "stored": "files/p/a.csv", "how": "open"},
    )
    assert written_files(tmp_path) == (
        WrittenFile("/p/a.csv", "files/p/a.csv", 1, "open"),
        WrittenFile("/p/b.pt", "files/p/b.pt", 3, "torch.save"),
    )


def test_a_chain_of_renames_ends_in_the_last_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "/p/x.tmp", "stored": "files/p/x.tmp", "how": "torch.save"},
        {"path": "/p/y.tmp", "stored": "files/p/y.tmp", "how": "renamed", "from": "/p/x.tmp"},
        {"path": "/p/x", "stored": stored(tmp_path, "p/x", "12"), "how": "renamed", "from": "/p/y.tmp"},
    )
    assert written_files(tmp_path) == (WrittenFile("/p/x", "files/p/x", 2, "torch.save"),)


def test_a_renamed_folder_takes_its_files_along(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "/p/tmp/deep/x", "stored": "files/p/tmp/deep/x", "how": "safetensors"},
        {"path": "/p/tmpfile", "stored": stored(tmp_path, "p/tmpfile", "1"), "how": "open"},
        {"path": "/p/final", "stored": "files/p/final", "how": "renamed", "from": "/p/tmp"},
    )
    stored(tmp_path, "p/final/deep/x", "123")
    assert written_files(tmp_path) == (
        WrittenFile("/p/final/deep/x", "files/p/final/deep/x", 3, "safetensors"),
        WrittenFile("/p/tmpfile", "files/p/tmpfile", 1, "open"),
    )


def test_a_real_file_that_was_removed_stays_in_the_list(tmp_path: Path) -> None:
    """And one that the script wrote and removed again does not."""
    write(
        tmp_path,
        {"path": "/p/real", "stored": "", "how": "removed"},
        {"path": "/p/own", "stored": "files/p/own", "how": "open"},
        {"path": "/p/back", "stored": "", "how": "removed"},
        {"path": "/p/back", "stored": stored(tmp_path, "p/back", "1"), "how": "open"},
    )
    assert written_files(tmp_path) == (
        WrittenFile("/p/back", "files/p/back", 1, "open"),
        WrittenFile("/p/real", "", None, "removed"),
    )


def test_a_real_file_under_a_new_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "/p/last", "stored": "", "how": "removed"},
        {"path": "/p/last.bak", "stored": stored(tmp_path, "p/last.bak", "1"), "how": "renamed", "from": "/p/last"},
    )
    assert [(file.path, file.how) for file in written_files(tmp_path)] == [
        ("/p/last", "removed"), ("/p/last.bak", "renamed"),
    ]  # fmt: skip


def test_what_was_really_written_is_measured_where_it_is(tmp_path: Path) -> None:
    real = tmp_path / "real.bin"
    real.write_text("12345")
    write(
        tmp_path,
        {"path": str(real), "stored": "", "how": "audit"},
        {"path": str(tmp_path / "gone"), "stored": "", "how": "audit"},
    )
    assert written_files(tmp_path) == (
        WrittenFile(str(tmp_path / "gone"), "", None, "audit"),
        WrittenFile(str(real), "", 5, "audit"),
    )


def test_a_journal_that_is_missing_or_torn(tmp_path: Path) -> None:
    assert written_files(tmp_path) == ()
    row = {"path": "/p/a", "stored": stored(tmp_path, "p/a", "1"), "how": "open"}
    write(tmp_path, row, tail='\n[1]\n{"path": "/p/b"}\nnull\n{"path": "/p/c", "sto')
    assert [file.path for file in written_files(tmp_path)] == ["/p/a"]
