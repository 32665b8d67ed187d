"""The training judges a condition as the watcher beside it does, or leaves it to that one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.watch import simple
from dlmon.watch.facts import History
from dlmon.watch.orders import BREAK, STOP, Orders
from dlmon.watch.parse import parse
from dlmon_probes.training import condition

NUMBERS = st.sampled_from(["0", "1", "2.5", "1e3", "loss", "lr", "step", "grad_norm"])
SUMS = st.recursive(
    NUMBERS, lambda s: st.builds("({} {} {})".format, s, st.sampled_from("+-*/"), s) | st.builds("-{}".format, s)
)
PLAIN = st.builds("{} {} {}".format, SUMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), SUMS)
TEXTS = st.recursive(
    PLAIN | st.just("loss.nonfinite()") | st.builds("{} < {} < {}".format, NUMBERS, NUMBERS, NUMBERS),
    lambda c: st.builds("({} {} {})".format, c, st.sampled_from(["and", "or"]), c) | st.builds("not ({})".format, c),
    max_leaves=6,
)
VALUES = st.none() | st.floats() | st.integers(-3, 3).map(float)


class Known:
    def __init__(self, values: dict[str, float | None]) -> None:
        self._values = values

    def history(self, name: str) -> History:
        history, value = History(), self._values[name]
        if value is not None:
            history.append(value)
        return history


@given(TEXTS, st.fixed_dictionaries(dict.fromkeys(sorted(simple.FACTS), VALUES)))
def test_both_judge_alike(text: str, values: dict[str, float | None]) -> None:
    parsed = parse(text)
    lists = json.loads(json.dumps(simple.as_lists(parsed.root)))
    here = condition.judge(lists, values)
    assert (None if here is None else bool(here)) is parsed.judge(Known(values))
    assert condition.names_in(lists) == set(parsed.facts)


@pytest.mark.parametrize(
    "text", ["val_loss > 1", "loss.mean(5) > 1", "loss > 1 or 'train/kl' > 3", "not loss.stale(3)"]
)
def test_what_needs_a_history_or_an_evaluation_is_left_to_the_watcher(text: str) -> None:
    assert simple.as_lists(parse(text).root) is None


def test_only_breaks_are_left_to_the_training(tmp_path: Path) -> None:
    simple.write(tmp_path, Orders(("loss > 1", "val_loss > 1"), ("loss < 0.1",)))
    rows = json.loads((tmp_path / simple.FILE).read_text())
    assert [(row["action"], row["tree"] is not None) for row in rows] == [(BREAK, True), (BREAK, False), (STOP, False)]
