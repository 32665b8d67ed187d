"""Smoke: how much of the script runs, in every style of loop, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlmon_probes.stages.plan import Plan
from tests.stages.staged import ends, stage

SMOKE = Plan("smoke")


def test_an_epoch_is_two_batches_later_ones_a_step_and_the_script_comes_to_its_end(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        for epoch in range(4):
            print("train", len([step(xb, yb) for xb, yb in train]), "test", evaluate(), "of", len(train))
        print("the end")
        """,
        SMOKE,
    )
    assert run.stdout.splitlines() == [
        "train 2 test 8 of 20", "train 1 test 8 of 20", "train 1 test 8 of 20", "train 1 test 8 of 20", "the end",
    ]  # fmt: skip
    assert run.code == 0 and not ends(run) and not run.of("probe_error")


def test_accumulation_gets_as_many_batches_as_two_steps_take(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        count = 0
        for i, (xb, yb) in enumerate(train):
            (F.cross_entropy(model(xb), yb) / 4).backward()
            count += 1
            if (i + 1) % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
        print(count)
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["8"]


def test_a_loop_over_steps_is_ended_from_outside(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        batches = iter(DataLoader(TensorDataset(x.repeat(600, 1), y.repeat(600)), batch_size=8))
        for i in range(10_000):
            step(*next(batches))
        print("never")
        """,
        SMOKE,
    )
    assert run.code == 0 and "never" not in run.stdout and "Traceback" not in run.stderr
    assert len(ends(run)) == 1
    assert 2 <= len(run.losses) <= 201


def test_a_loop_over_steps_that_makes_its_iterator_anew_is_cut_like_an_epoch(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        batches = iter(train)
        made = 1
        for i in range(30):
            try:
                batch = next(batches)
            except StopIteration:
                batches, made = iter(train), made + 1
                batch = next(batches)
            step(*batch)
        print("passes", made)
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["passes", "29"]  # two steps, then one each
    assert run.code == 0


@pytest.mark.parametrize(
    "loader",
    [
        "DataLoader(TensorDataset(x, y), batch_size=8, num_workers=2, persistent_workers=True)",
        "DataLoader(Stream(), batch_size=8)",
        "Own(TensorDataset(x, y), batch_size=8)",
        "DataLoader(TensorDataset(x, y), batch_sampler=[[0, 1, 2], [3, 4], [5], [6, 7]])",
    ],
)
def test_loaders_of_every_kind_are_cut(tmp_path: Path, loader: str) -> None:
    run = stage(
        tmp_path,
        f"""
        class Stream(IterableDataset):
            def __iter__(self):
                return iter(zip(x, y))

        class Own(DataLoader):
            def __iter__(self):
                yield from super().__iter__()

        if __name__ == "__main__":
            loader = {loader}
            for epoch in range(3):
                print(sum(1 for xb, yb in loader if step(xb, yb) is not None))
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["2", "1", "1"], run.stderr
    assert run.code == 0 and not run.of("probe_error")


def test_schedules_that_count_on_the_length_of_the_loader_do_not_raise(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=3, steps_per_epoch=len(train))
        for epoch in range(3):
            for xb, yb in train:
                step(xb, yb)
                schedule.step()
        print("done")
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["done"] and run.code == 0


@pytest.mark.parametrize("catch", ["except BaseException", "except"])
def test_a_script_that_swallows_the_end_is_left(tmp_path: Path, catch: str) -> None:
    run = stage(
        tmp_path,
        f"""
        i = 0
        while True:
            i += 1
            try:
                step(x, y)
            {catch}:
                print("swallowed", flush=True)
        """,
        SMOKE,
    )
    assert run.code == 0
    assert run.stdout.split() == ["swallowed"]
    assert len(ends(run)) == 1 and run.of("end")


def test_what_exits_by_itself_keeps_its_code(tmp_path: Path) -> None:
    run = stage(tmp_path, "[step(xb, yb) for xb, yb in train]\nsys.exit(7)\n", SMOKE)
    assert run.code == 7 and not ends(run)


def test_closures_count_as_one_step(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
        for xb, yb in train:
            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(xb), yb)
                loss.backward()
                return loss
            optimizer.step(closure)
        print("done")
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["done"] and len(run.losses) == 2


def test_a_pass_over_the_data_before_the_training_is_cut_too(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        big = DataLoader(TensorDataset(x.repeat(100, 1), y.repeat(100)), batch_size=8)
        print("statistics over", sum(1 for xb, yb in big))
        for xb, yb in train:
            step(xb, yb)
        print("evaluated", evaluate())
        """,
        SMOKE,
    )
    words = run.stdout.split()
    assert int(words[2]) < 100 and words[3:] == ["evaluated", "8"]


def test_the_repeat_ends_after_two_steps_with_the_same_losses(tmp_path: Path) -> None:
    source = "for epoch in range(9):\n    [step(xb, yb) for xb, yb in train]\n"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = stage(tmp_path / "one", source, SMOKE)
    two = stage(tmp_path / "two", source, Plan("repeat", steps=2))
    assert two.losses == one.losses[:2]
    assert ends(two)[0]["reason"] == "steps"


def test_a_compiled_module_is_the_module_unless_asked_for(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        print(torch.compile(model) is model, torch.compile()(model) is model)
        step(x, y)
        """,
        SMOKE,
    )
    assert run.stdout.split() == ["True", "True"]


def test_threads_that_train_are_ended(tmp_path: Path) -> None:
    run = stage(
        tmp_path,
        """
        import threading
        def work():
            while True:
                step(x, y)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
        SMOKE,
    )
    assert run.code == 0 and len(ends(run)) == 1
