"""The language of conditions: what is understood, what it means, and how a slip is shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlmon.watch import tree
from dlmon.watch.facts import NAMES, History
from dlmon.watch.parse import Condition, parse
from dlmon.watch.tree import METHODS
from dlmon.watch.trouble import ConditionError


class Values:
    """Facts by name; a list is a history."""

    def __init__(self, **values: float | list[float]) -> None:
        self._histories: dict[str, History] = {}
        for name, value in values.items():
            history = self._histories[name] = History(NAMES[name][1] if name in NAMES else False)
            for each in value if isinstance(value, list) else [value]:
                history.append(each)

    def history(self, name: str) -> History:
        return self._histories.get(name, History())


NAN = math.nan


@pytest.mark.parametrize(
    ("text", "values", "verdict"),
    [
        ("loss > 10", {"loss": 11.0}, True),
        ("loss > 10", {"loss": 10.0}, False),
        ("loss > 10", {"loss": NAN}, False),
        ("loss > 10", {}, None),
        ("loss > 10 or grad_norm > 100", {"loss": 1.0, "grad_norm": 101.0}, True),
        ("loss > 10 or grad_norm > 100", {"loss": 11.0}, True),  # the other one does not matter
        ("loss > 10 or grad_norm > 100", {"loss": 1.0}, None),
        ("loss > 10 and grad_norm > 100", {"loss": 1.0}, False),
        ("not loss > 10 and step >= 5", {"loss": 1.0, "step": 5}, True),
        ("not (loss > 10 or step >= 5)", {"loss": 1.0, "step": 5}, False),
        ("0 < loss < 10", {"loss": 5.0}, True),
        ("0 < loss < 10", {"loss": 11.0}, False),
        ("1 + 2 * 3 == 7", {}, True),
        ("(1 + 2) * 3 == 9", {}, True),
        ("7 - 2 - 1 == 4", {}, True),
        ("-loss < -1e-3", {"loss": 0.01}, True),
        ("loss / 0 > 1", {"loss": 5.0}, None),
        ("val_loss / loss >= 2.5", {"loss": 2.0, "val_loss": 5.0}, True),
        ("'train/kl' > .5", {"train/kl": 0.6}, True),
        ('"train/kl".mean(2) > 1', {"train/kl": [9, 1, 2]}, True),
        ("loss.mean(3) > 1", {"loss": [2.0, 2.0]}, None),
        ("loss.max(2) == 3 and loss.min(2) == 2", {"loss": [9, 2, 3]}, True),
        ("loss > 2 * loss.best()", {"loss": [1.0, 5.0, 2.5]}, True),
        ("loss.nonfinite()", {"loss": [1.0, NAN]}, True),
        ("loss.nonfinite()", {"loss": [NAN, 1.0]}, False),
        ("loss.count() >= 2", {"loss": [NAN, 1.0]}, True),
        ("val_loss.stale(2)", {"val_loss": [3.0, 2.0, 2.5]}, False),
        ("val_loss.stale(2)", {"val_loss": [3.0, 2.0, 2.5, 2.0]}, True),
        ("val_loss.stale(2)", {"val_loss": [3.0, 2.0, 2.5, 1.9]}, False),
        ("val_loss.stale(2)", {"val_loss": [NAN, NAN]}, True),
        ("val_loss.stale(2)", {}, None),
        ("val_accuracy.stale(2)", {"val_accuracy": [0.5, 0.6, 0.7]}, False),  # higher is better
        ("val_accuracy.stale(2)", {"val_accuracy": [0.7, 0.6, 0.5]}, True),
    ],
)
def test_meaning(text: str, values: dict[str, float | list[float]], verdict: bool | None) -> None:
    assert parse(text).judge(Values(**values)) is verdict


@pytest.mark.parametrize(
    ("text", "problem", "marked"),
    [
        ("", "expected a fact", ""),
        ("loss", "a number, not a condition", "loss"),
        ("loss >", "found the end", ""),
        ("loss > > 10", "found `>`", "> 10"),
        ("loss = 10", "write `==`", "= 10"),
        ("loss > 1 && step > 2", "write `and`", "&& step"),
        ("los > 10", "did you mean `loss`?", "los"),
        ("train_kl > 10", "written in quotes", "train_kl"),
        ("(loss > 10", "to close the parenthesis", ""),
        ("loss > 10)", "never opened", ")"),
        ("loss > 10 step > 5", "expected a comparison, `and` or `or`", "step > 5"),
        ("loss > 10 and 5", "`and` joins conditions", "5"),
        ("loss > 10 or val_loss", "`or` joins conditions", "val_loss"),
        ("not loss", "`not` stands before a condition", "loss"),
        ("(loss > 1) > 2", "only numbers can be compared", "loss > 1"),
        ("(loss > 1) + 2 > 2", "reckons with numbers", "loss > 1"),
        ("-(loss > 1) > 2", "a minus sign", "loss > 1"),
        ("val_loss.stale()", "a whole number of values", ")"),
        ("val_loss.stale(0)", "a whole number of values", "0)"),
        ("val_loss.stale(2.5)", "a whole number of values", "2.5)"),
        ("val_loss.stale", "expected `(`", ""),
        ("val_loss.sttale(5)", "expected one of stale", "sttale"),
        ("val_loss.stale(5) > 1", "only numbers can be compared", "val_loss"),
        ("loss.__class__ > 1", "expected one of stale", "__class__"),
        ("'train/kl > 1", "no closing quote", "'train"),
        ("'' > 1", "must not be empty", "''"),
        ("loss > 1.2.3", "no number", "1.2.3"),
        ("loss > 10µ", "no number", "10µ"),
        ("loss > 10 € 5", "`€` is not understood", "€ 5"),
        ("import os", "`import` is no fact", "import"),
        ("and > 1", "found `and`", "and"),
        ("(" * 60 + "loss > 1" + ")" * 60, "nested too deeply", "("),
        ("loss > 1 or " * 200 + "loss > 2", "at most 1,000 characters", "loss"),
    ],
)
def test_a_slip_is_shown_with_a_caret_below_it(text: str, problem: str, marked: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert problem in str(caught.value)
    assert text[caught.value.at :].startswith(marked)
    first, line, caret = str(caught.value).split("\n")
    assert first.startswith("condition: ")
    place = caret.index("^")
    assert line[place:].startswith(marked[:20])


@given(st.text(max_size=60))
@example("loss.\x00")
@example("9" * 900 + " > 1e999")
@example("\u0663 > 1")
@example("'\x1b[31m' >")
def test_any_text_is_a_condition_or_a_slip_in_it(text: str) -> None:
    try:
        condition = parse(text)
    except ConditionError as error:
        assert 0 <= error.at <= len(text)
        assert "\x1b" not in str(error).partition("\n")[2]
    else:
        assert condition.judge(Values()) in (True, False, None)


WORDS = [
    *NAMES,
    *METHODS,
    "and",
    "or",
    "not",
    "(",
    ")",
    "<",
    ">=",
    "==",
    "+",
    "-",
    "*",
    "/",
    ".",
    ",",
    "'kl'",
    "5",
    "0.1",
]


@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_are_a_condition_or_a_slip_in_it(words: list[str]) -> None:
    text = " ".join(words)
    try:
        condition = parse(text)
    except ConditionError as error:
        assert 0 <= error.at <= len(text)
    else:
        assert condition.root.type == tree.TRUTH
        condition.judge(Values(loss=[1.0, NAN, math.inf], val_loss=0.0, kl=-1e308))


# ---- the parser against Python's own: where both understand a condition, both mean the same

_numbers = st.sampled_from(["loss", "grad_norm", "lr", "1", "2.5", "0.0", "1e3"])
_sums = st.recursive(
    _numbers,
    lambda part: st.one_of(
        st.builds("{} {} {}".format, part, st.sampled_from("+-*"), part),
        st.builds("({})".format, part),
        st.builds("-{}".format, part),
    ),
    max_leaves=6,
)
_comparisons = st.builds("{} {} {}".format, _sums, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _sums)
_conditions = st.recursive(
    st.one_of(_comparisons, st.builds("{} < {} < {}".format, _sums, _sums, _sums)),
    lambda part: st.one_of(
        st.builds("{} {} {}".format, part, st.sampled_from(["and", "or"]), part),
        st.builds("not ({})".format, part),
        st.builds("({})".format, part),
    ),
    max_leaves=6,
)
_values = st.floats(allow_nan=True, allow_infinity=True)


@given(_conditions, _values, _values, _values)
def test_it_means_what_python_means(text: str, loss: float, grad_norm: float, lr: float) -> None:
    try:
        condition: Condition = parse(text)
    except ConditionError as error:
        assert "too deeply" in str(error) or "at most" in str(error)
        return
    facts = {"loss": loss, "grad_norm": grad_norm, "lr": lr}
    assert condition.judge(Values(**facts)) is eval(text, {}, facts)


def test_the_facts_of_a_condition_in_their_order() -> None:
    assert parse("val_loss > loss or val_loss.stale(3) or 'kl' > 1").facts == ("val_loss", "loss", "kl")
