"""From the text of a condition to its tree: a recursive-descent parser, one method a rule.

condition  = all { "or" all }                all     = no { "and" no }
no         = "not" no | comparison           comparison = sum { ( < <= > >= == != ) sum }
sum        = product { ( + - ) product }     product = sign { ( * / ) sign }
sign       = "-" sign | value                value   = number | "(" condition ")" | fact [ "." method "(" [n] ")" ]
fact       = name | "quoted name"

Where two runs are compared, `baseline` is a value, too: the fact that it is compared with, in the first run.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dlmon.watch import tree
from dlmon.watch.facts import MOST_KEPT, NAMES
from dlmon.watch.tree import COMPARISONS, METHODS, NUMBER, TRUTH, Node
from dlmon.watch.trouble import ConditionError
from dlmon.watch.words import END, KEYWORDS, NAME, QUOTED, SIGN, Word, words
from dlmon.watch.words import NUMBER as NUMBER_WORD

BASELINE = "baseline"
DEEPEST = 40  # parentheses, `not` and minus signs inside each other


@dataclass(frozen=True)
class Condition:
    """A parsed condition. facts: the names that it speaks of, in their order."""

    text: str
    root: Node
    facts: tuple[str, ...]

    def judge(self, known: tree.Known) -> bool | None:
        """True, False, or None where it cannot be told yet."""
        value = self.root.judge(known)
        return None if value is None else bool(value)


def parse(text: str, *, baseline: bool = False) -> Condition:
    """The condition in `text`. baseline: whether it may speak of `baseline`. Raises ConditionError."""
    parser = _Parser(text, baseline=baseline)
    root = parser.condition()
    parser.expect_end()
    if root.type != TRUTH:
        raise ConditionError("this is a number, not a condition; compare it with something: loss > 10", text, root.at)
    return Condition(text, root, tuple(dict.fromkeys(parser.facts)))


class _Parser:
    def __init__(self, text: str, *, baseline: bool) -> None:
        self._text = text
        self._with_baseline = baseline
        self._baselines: list[tree.Baseline] = []  # of the comparison that is being read
        self._compared: list[tree.Fact | tree.Call] = []  # the facts in it
        self._words = words(text)
        self._next = 0
        self._depth = 0
        self.facts: list[str] = []

    # ---- words

    @property
    def _word(self) -> Word:
        return self._words[self._next]

    def _take(self) -> Word:
        word = self._word
        self._next += word.kind != END
        return word

    def _takes(self, kind: str, texts: Collection[str]) -> Word | None:
        word = self._word
        return self._take() if word.kind == kind and word.text in texts else None

    def _expect(self, sign: str, after: str) -> None:
        if self._takes(SIGN, (sign,)) is None:
            raise self._error(f"expected `{sign}` {after}, found {self._word.shown}")

    def _error(self, problem: str, at: int | None = None) -> ConditionError:
        return ConditionError(problem, self._text, self._word.at if at is None else at)

    def expect_end(self) -> None:
        word = self._word
        if word.kind == END:
            return
        if word.text == ")":
            raise self._error("this parenthesis was never opened")
        raise self._error(f"expected a comparison, `and` or `or`, found {word.shown}")

    # ---- rules

    def condition(self) -> Node:
        return self._joined("or", lambda: self._joined("and", self._no))

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._takes(NAME, (word,)):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        for each in parts:
            self._want(each, TRUTH, f"`{word}` joins conditions, and this is a number; compare it: loss > 10")
        return tree.Joined(word, tuple(parts))

    def _no(self) -> Node:
        word = self._takes(NAME, ("not",))
        if word is None:
            return self._comparison()
        part = self._deeper(self._no)
        self._want(part, TRUTH, "`not` stands before a condition, and this is a number")
        return tree.Not(part, word.at)

    def _comparison(self) -> Node:
        before = len(self._compared)
        parts, signs = [self._sum()], []
        while sign := self._takes(SIGN, COMPARISONS):
            signs.append(sign.text)
            parts.append(self._sum())
        if not signs:
            return parts[0]
        for part in parts:
            self._want(part, NUMBER, "only numbers can be compared, and this is true or false")
        self._give_baselines(self._compared[before:])
        return tree.Comparison(tuple(parts), tuple(signs))

    def _give_baselines(self, facts: Sequence[tree.Fact | tree.Call]) -> None:
        """`baseline` stands for the one fact of its comparison."""
        distinct = {fact.meaning: fact for fact in facts}
        for baseline in self._baselines:
            if len(distinct) != 1:
                how = "none" if not distinct else f"{len(distinct)} of them"
                raise self._error(
                    f"`{BASELINE}` stands for the one fact that it is compared with, and there is {how}",
                    baseline.at,
                )
            baseline.of = next(iter(distinct.values()))
        self._baselines.clear()

    def _sum(self) -> Node:
        return self._chain("+-", lambda: self._chain("*/", self._sign))

    def _chain(self, signs: str, part: Callable[[], Node]) -> Node:
        left = part()
        while sign := self._takes(SIGN, signs):
            right = part()
            for side in (left, right):
                self._want(side, NUMBER, f"`{sign.text}` reckons with numbers, and this is true or false")
            left = tree.Arithmetic(sign.text, left, right)
            self._deepen()  # a long chain is a deep tree, too
        return left

    def _sign(self) -> Node:
        word = self._takes(SIGN, "-")
        if word is None:
            return self._value()
        part = self._deeper(self._sign)
        self._want(part, NUMBER, "a minus sign stands before a number, and this is true or false")
        return tree.Negative(part, word.at)

    def _value(self) -> Node:
        word = self._take()
        if word.kind == NUMBER_WORD:
            return tree.Literal(float(word.text), word.at)
        if word.kind == SIGN and word.text == "(":
            inside = self._deeper(self.condition)
            self._expect(")", "to close the parenthesis")
            return inside
        if self._with_baseline and word.kind == NAME and word.text == BASELINE:
            self._baselines.append(tree.Baseline(word.at))
            return self._baselines[-1]
        if word.kind == QUOTED or (word.kind == NAME and word.text not in KEYWORDS):
            return self._fact(word)
        raise self._error(f"expected a fact, such as `loss`, or a number, found {word.shown}", word.at)

    def _fact(self, word: Word) -> Node:
        if word.kind == NAME and word.text not in NAMES:
            raise self._error(_no_such(word.text), word.at)
        if not word.text.strip():
            raise self._error("a quoted name must not be empty", word.at)
        self.facts.append(word.text)
        fact = tree.Fact(word.text, word.at)
        node: tree.Fact | tree.Call = self._method(fact) if self._takes(SIGN, ".") else fact
        self._compared.append(node)
        return node

    def _method(self, fact: tree.Fact) -> tree.Call:
        word = self._word
        if word.kind != NAME or word.text not in METHODS:
            raise self._error(f"expected one of {', '.join(METHODS)}, found {word.shown}")
        self._take()
        self._expect("(", f"after `{word.text}`")
        n = self._how_many(word.text) if METHODS[word.text].takes else 0
        self._expect(")", f"after `{word.text}({n or ''}`")
        return tree.Call(fact, word.text, n)

    def _how_many(self, method: str) -> int:
        word = self._word
        if word.kind != NUMBER_WORD or not word.text.isdecimal() or not 1 <= int(word.text) <= MOST_KEPT:
            raise self._error(f"`{method}` wants a whole number of values from 1 to {MOST_KEPT:,}, such as {method}(5)")
        return int(self._take().text)

    # ---- types and depth

    def _want(self, node: Node, type: str, problem: str) -> None:
        if node.type != type:
            raise self._error(problem, node.at)

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error("the condition is nested too deeply")

    def _deeper(self, rule: Callable[[], Node]) -> Node:
        self._deepen()
        node = rule()
        self._depth -= 1
        return node


def _no_such(name: str) -> str:
    near = difflib.get_close_matches(name, NAMES, n=1)
    meant = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(NAMES)};"
    return f"`{name}` is no fact; {meant} What the script logs is written in quotes: 'train/{name}'"
