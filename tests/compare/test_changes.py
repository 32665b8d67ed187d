"""What was changed between two runs, and what may be concluded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlmon.compare.arguments import is_place, is_seed, options_of, same_value
from dlmon.compare.changes import NOT_KNOWN, NOTHING, ONE, ONLY_SEED, SEVERAL, Changes, changes
from dlmon.compare.comparison import compared
from dlmon.compare.sources import changes_between, sources_of
from dlmon_probes import events
from tests.builders import named
from tests.compare.sides import SOURCE, falling, folder_of, side, story


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["train.py", "--lr", "0.1", "-b", "32"], {"program": "train.py", "--lr": "0.1", "-b": "32"}),
        (["train.py", "--lr=0.1", "--amp"], {"program": "train.py", "--lr": "0.1", "--amp": "given"}),
        (["train.py", "--shift", "-3", "-1e-3"], {"program": "train.py", "--shift": "-3 -1e-3"}),
        (["-m", "pkg.train", "model.lr=1", "+x=2"], {"program": "pkg.train", "model.lr": "1", "x": "2"}),
        (["train.py", "data", "out"], {"program": "train.py", "argument 1": "data", "argument 2": "out"}),
        (["train.py", "--layers", "64", "10", "--x", "1"], {"program": "train.py", "--layers": "64 10", "--x": "1"}),
        (
            ["torchrun", "--nproc-per-node", "2", "train.py", "--lr", "1"],
            {"program": "torchrun", "--nproc-per-node": "2", "argument 1": "train.py", "--lr": "1"},
        ),
        ([], {}),
    ],
)
def test_a_command_line_as_options(argv: list[str], options: dict[str, str]) -> None:
    assert options_of(argv) == options


def test_what_an_option_is_about() -> None:
    assert is_seed("--seed") and is_seed("data.seed") and is_seed("--random_seed")
    assert not is_seed("--seeded-by") and not is_seed("--lr")
    assert is_place("--output_dir") and is_place("--run-name") and not is_place("--lr")
    assert same_value("0.1", "1e-1") and not same_value("0.1", "0.2") and not same_value("a", "b")


def test_files_are_compared_place_by_place() -> None:
    new = SOURCE.replace("lr = 0.1", "lr = 0.2").replace("train(model, lr)", "train(model, lr)\nsave(model)")
    (change,) = changes_between({"train.py": SOURCE}, {"train.py": new})
    assert (change.how, change.added, change.removed, change.places, change.seeds) == ("changed", 2, 1, 2, ())
    assert "-lr = 0.1" in change.diff and "+lr = 0.2" in change.diff and "+save(model)" in change.diff
    added, removed = changes_between({"old.py": "x\n"}, {"new.py": "y\n"})
    assert (added.path, added.how, removed.path, removed.how) == ("new.py", "added", "old.py", "removed")


def test_a_seed_in_the_code_is_told_from_other_changes() -> None:
    (change,) = changes_between({"t.py": SOURCE}, {"t.py": SOURCE.replace("seed(0)", "seed(7)")})
    assert change.seeds == (("torch.manual_seed(0)", "torch.manual_seed(7)"),)
    (change,) = changes_between({"t.py": SOURCE}, {"t.py": SOURCE.replace("seed(0)", "seed(7)").replace("0.1", "0.2")})
    assert change.seeds == ()


def test_links_among_the_copies_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password")
    folder = folder_of(tmp_path / "run", story(falling()))
    (folder / "source" / "link.py").symlink_to(tmp_path / "secret")
    (folder / "source" / "up").symlink_to(tmp_path)
    assert sources_of(folder) == {"train.py": SOURCE}


def between(tmp_path: Path, end: float = 0.2, **changed: Any) -> Changes:
    """A run, and the same one with something changed."""
    one = folder_of(tmp_path / "one", story(falling()))
    other = folder_of(tmp_path / "other", story(falling(end=end)), **changed)
    return changes(side("A", one), side("B", other))


def test_nothing_changed(tmp_path: Path) -> None:
    found = between(tmp_path)
    assert (found.verdict, found.parts, found.same_steps) == (NOTHING, None, 64)
    assert found.sentence() == "Nothing differs."


def test_nothing_changed_and_yet_it_went_otherwise(tmp_path: Path) -> None:
    found = between(tmp_path, end=0.3)
    assert found.verdict == NOTHING
    assert "not deterministic" in found.sentence()


def test_one_thing_changed(tmp_path: Path) -> None:
    found = between(tmp_path, argv=("train.py", "--lr", "0.2", "--output-dir", "x"))
    assert (found.verdict, found.sentence()) == (ONE, "One thing changed: --lr.")
    assert [item.name for item in found.aside] == ["--output-dir"]


def test_only_the_seed(tmp_path: Path) -> None:
    found = between(tmp_path, argv=("train.py", "--lr", "1e-1", "--seed", "3"))
    assert found.verdict == ONLY_SEED
    assert found.sentence() == "Nothing differs but the seed (--seed): what differs in the result is noise."


def test_more_than_one_thing(tmp_path: Path) -> None:
    found = between(
        tmp_path,
        argv=("train.py", "--lr", "0.2"),
        sources={"train.py": SOURCE.replace("make()", "make(64)")},
        values={"OMP_NUM_THREADS": "4", "TERM": "dumb"},
    )
    assert found.verdict == SEVERAL
    assert found.sentence().startswith("More than one thing changed: --lr, the code of train.py")
    assert {item.name for item in found.causes} == {"--lr", "train.py", "OMP_NUM_THREADS"}


def test_a_variable_counts_where_both_told_theirs(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "one", story(falling()), values={"CUDA_VISIBLE_DEVICES": "0", "TERM": "xterm"})
    other = folder_of(tmp_path / "other", story(falling()), values={"CUDA_VISIBLE_DEVICES": "1", "TERM": "dumb"})
    found = changes(side("A", one), side("B", other))
    assert [(item.kind, item.name, item.before, item.after) for item in found.causes] == [
        ("environment", "CUDA_VISIBLE_DEVICES", "0", "1")
    ]


def test_a_commit_counts_only_without_copies(tmp_path: Path) -> None:
    found = between(tmp_path, commit="b" * 40)
    assert found.verdict == NOTHING and [item.name for item in found.aside] == ["git commit"]
    one = folder_of(tmp_path / "a", story(falling()), commit="a" * 40, sources={})
    other = folder_of(tmp_path / "b", story(falling()), commit="b" * 40, sources={})
    assert changes(side("A", one), side("B", other)).verdict == ONE


def test_one_seed_and_one_option_are_two_things(tmp_path: Path) -> None:
    found = between(tmp_path, argv=("train.py", "--lr", "0.2", "--seed", "1"))
    assert found.verdict == SEVERAL
    assert "--lr and the seed (--seed)" in found.sentence()


def test_what_is_not_recorded_is_not_the_same(tmp_path: Path) -> None:
    found = between(tmp_path, argv=(), sources={}, script=None)
    assert found.verdict == NOT_KNOWN and found.causes == () and found.seeds == ()
    assert "Not recorded: the command of B; what was changed cannot be told." in found.sentence()
    sides = [side(letter, tmp_path / name) for letter, name in (("A", "one"), ("B", "other"))]
    assert [group.members for group in compared(sides).seeds] == [(0,), (1,)], "nothing says that they are alike"


def test_an_unseeded_script_is_told_by_its_first_batch(tmp_path: Path) -> None:
    def run(name: str, mean: float) -> Path:
        batch = events.Batch(0.0, 0, 0, [named("[0]", [8, 4], mean=mean, std=1.0)])
        return folder_of(tmp_path / name, story([1.0 + mean, *falling()]).add(batch))

    found = changes(side("A", run("one", 0.1)), side("B", run("other", 0.2)))
    assert found.verdict == NOTHING and found.parts == 0
    assert "the runs began differently (first batch of loader 0): no seed is set" in found.sentence()
