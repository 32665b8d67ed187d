"""What was changed between two runs, and the sentence that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from dlmon.compare import inputs
from dlmon.compare.arguments import PROGRAM, is_place, is_seed, options_of, same_program, same_value
from dlmon.compare.side import Side
from dlmon.compare.sources import FileChange, changes_between, sources_of
from dlmon.text import plural

ARGUMENT, CODE, ENVIRONMENT, DEVICE, GIT, SEED = "argument", "code", "environment", "device", "commit", "seed"
PLACE, ASIDE = "place or name", "aside"
CAUSES = (ARGUMENT, CODE, GIT, ENVIRONMENT, DEVICE)  # each of them may be why another result came out
NOT_GIVEN = "not given"
NOT_KNOWN = "not known"
NOTHING, ONLY_SEED, ONE, SEVERAL = "nothing", "only the seed", "one thing", "several things"


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same. before: in the baseline. diff: lines of code, for CODE."""

    kind: str
    name: str
    before: str
    after: str
    diff: Sequence[str] = ()

    @property
    def shown(self) -> str:
        """`--lr`, `code of train.py`, `torch`."""
        return f"the code of {self.name}" if self.kind == CODE else self.name


@dataclass(frozen=True)
class Changes:
    """Between the baseline and one other run. causes: what may explain another result. seeds: what was seeded
    otherwise. aside: names, places, hosts. observed: what the run was seen to work with, which follows from the rest.
    same_steps: how many losses at the beginning are equal to the last digit; parts: the step at which they part, None
    where they never do, as far as they are known. missing: what was not recorded of one of the runs."""

    letter: str
    causes: Sequence[Difference] = ()
    seeds: Sequence[Difference] = ()
    aside: Sequence[Difference] = ()
    observed: Sequence[Difference] = ()
    same_steps: int = 0
    parts: int | None = None
    missing: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        if not self.causes:
            if self.missing:
                return NOT_KNOWN
            return ONLY_SEED if self.seeds else NOTHING
        return ONE if len(self.causes) == 1 and not self.seeds else SEVERAL

    def sentence(self) -> str:
        """What may be concluded, in one or two sentences."""
        if self.missing:
            found = f"Recorded as different: {self._what()}. " if self.causes else "Nothing that is recorded differs. "
            return f"{found}Not recorded: {', '.join(self.missing)}; what was changed cannot be told."
        what = self._what()
        if self.verdict == NOTHING:
            return self._nothing()
        if self.verdict == ONLY_SEED:
            names = ", ".join(dict.fromkeys(difference.name for difference in self.seeds))
            return f"Nothing differs but the seed ({names}): what differs in the result is noise."
        if self.verdict == ONE:
            return f"One thing changed: {what}.{self._places()}"
        seeds = f" and the seed ({', '.join(dict.fromkeys(item.name for item in self.seeds))})" if self.seeds else ""
        if len(self.causes) == 1:
            return f"More than one thing changed: {what}{seeds}. A difference within the noise of seeds says nothing."
        return f"More than one thing changed: {what}{seeds}. The result cannot be put down to one of them alone."

    def _what(self) -> str:
        return ", ".join(difference.shown for difference in self.causes)

    def _nothing(self) -> str:
        if self.observed and self.parts == 0:
            names = ", ".join(difference.name for difference in self.observed[:3])
            return (
                f"Nothing that was given differs, yet the runs began differently ({names}): no seed is set, or"
                " what the script reads has changed."
            )
        if self.parts is not None:
            return f"Nothing differs; the losses part at step {self.parts:,}: the training is not deterministic."
        return "Nothing differs."

    def _places(self) -> str:
        cause = self.causes[0]
        if cause.kind != CODE or not cause.after or "in 1 place" in cause.after:
            return ""
        return " It was changed in several places: make sure that they are one change."


def changes(baseline: Side, other: Side) -> Changes:
    """What differs between the baseline and another run."""
    causes, seeds, aside = _arguments(baseline, other)
    before, after = sources_of(baseline.folder), sources_of(other.folder)
    if before and after:
        for difference in map(_code, changes_between(before, after)):
            (seeds if difference.kind == SEED else causes).append(difference)
    commits = inputs.commit(baseline), inputs.commit(other)
    if commits[0] != commits[1]:
        # The copies say what ran; the commit counts only where there are none.
        difference = Difference(GIT, "git commit", _shown(commits[0] or None), _shown(commits[1] or None))
        (aside if before and after else causes).append(difference)
    causes += _named(ENVIRONMENT, inputs.environment(baseline), inputs.environment(other))
    causes += _named(DEVICE, inputs.devices(baseline), inputs.devices(other))
    seeds += _hash_seed(baseline, other)
    aside += _named(ASIDE, inputs.incidental(baseline), inputs.incidental(other))
    same, parts = common_start(baseline, other)
    return Changes(
        other.letter, tuple(causes), tuple(seeds), tuple(aside),
        tuple(_named("seen", inputs.observed(baseline), inputs.observed(other), absent=False)), same, parts,
        _missing(baseline, other),
    )  # fmt: skip


def _arguments(one: Side, other: Side) -> tuple[list[Difference], list[Difference], list[Difference]]:
    causes: list[Difference] = []
    seeds: list[Difference] = []
    aside: list[Difference] = []
    before, after = options_of(one.manifest.argv), options_of(other.manifest.argv)
    if not before or not after:
        return causes, seeds, aside  # not recorded, which is not "not given"
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new or (old is not None and new is not None and same_value(old, new)):
            continue
        if name == PROGRAM and same_program(before, after):
            continue
        kind = SEED if is_seed(name) else PLACE if is_place(name) else ARGUMENT
        where = {SEED: seeds, PLACE: aside, ARGUMENT: causes}[kind]
        where.append(Difference(kind, name, _shown(old), _shown(new)))
    return causes, seeds, aside


def _missing(one: Side, other: Side) -> tuple[str, ...]:
    """What was not recorded of a run, without which nothing can be concluded from what is the same."""
    lacking = []
    for side in (one, other):
        if not side.manifest.argv:
            lacking.append(f"the command of {side.letter}")
        if side.manifest.script and not sources_of(side.folder) and not inputs.commit(side):
            lacking.append(f"the code of {side.letter}")
    return tuple(lacking)


def _code(change: FileChange) -> Difference:
    if change.seeds:
        return Difference(SEED, f"seed in {change.path}", change.seeds[0][0], change.seeds[0][1], change.diff)
    lines = f"+{change.added} -{change.removed} lines in {plural(change.places, 'place')}"
    return Difference(CODE, change.path, "" if change.how == "changed" else change.how, lines, change.diff)


def _hash_seed(one: Side, other: Side) -> list[Difference]:
    values = [side.manifest.environment.values.get(inputs.SEED_VARIABLE, "") for side in (one, other)]
    if values[0] == values[1]:
        return []
    return [Difference(SEED, inputs.SEED_VARIABLE, _shown(values[0] or None), _shown(values[1] or None))]


def _named(kind: str, before: Mapping[str, str], after: Mapping[str, str], *, absent: bool = True) -> list[Difference]:
    """absent: a value that only one of them has is a difference, save where one side knows nothing at all (a run that
    died before torch was imported, a log that another tool wrote)."""
    if not before or not after:
        return []
    found = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new or (not absent and (old is None or new is None)):
            continue
        if kind == ENVIRONMENT and (old is None or new is None) and not name.isupper():
            continue  # the version was not told, which is not another version
        if kind == DEVICE and (old is None or new is None):
            continue
        found.append(Difference(kind, name, old or NOT_KNOWN, new or NOT_KNOWN))
    return found


def _shown(value: str | None) -> str:
    return NOT_GIVEN if value is None else value


def common_start(one: Side, other: Side) -> tuple[int, int | None]:
    """How many of the first losses are equal, and the step at which the two part (of those that are kept: 64)."""
    before, after = (
        next((series.first for series in side.snapshot.series if series.source == "loss"), ()) for side in (one, other)
    )
    pairs = zip(before, after, strict=False)
    amount = sum(1 for _ in takewhile(lambda pair: repr(pair[0]) == repr(pair[1]), pairs))  # a NaN equals a NaN here
    return amount, before[amount][0] if amount < min(len(before), len(after)) else None
