"""The checks there are, and the one judge that runs them over a snapshot."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dlmon.checks.facts import Lacking
from dlmon.checks.finding import ERROR, SEVERITIES, Abstained, Finding, Judgement
from dlmon.plain import plain
from dlmon.state.snapshot import RunSnapshot

Check = Callable[[RunSnapshot], Iterable[Finding]]

# One family per file; in the order in which causes come before consequences.
FAMILIES = (
    "crashes",
    "data",
    "data_rows",
    "data_labels",
    "data_state",
    "data_scale",
    "dependence",
    "loss_form",
    "loss_inputs",
    "loss_direction",
    "causality",
    "model_structure",
    "model_units",
    "saved_states",
    "graph_history",
    "loop_steps",
    "loop_order",
    "loop_accumulation",
    "amp",
    "loop_modes",
    "evaluations",
    "loop_parameters",
    "parameters",
    "schedules",
    "rates",
    "gradients",
    "loss_values",
    "loss_terms",
    "loss_trend",
    "labels_unrelated",
    "machine",
    "starvation",
    "ranks",
    "stalls",
    "repro",
)


# What the course of a loss shows when something else is wrong: left out where that is named.
TREND = ("loss.not_decreasing", "loss.constant", "loss.diverging", "loss.oscillating", "loss.spike")


@dataclass(frozen=True)
class Registered:
    """A check and what is known of it without running it."""

    id: str
    needs: str
    run: Check
    explains: tuple[str, ...] = ()


_CHECKS: dict[str, Registered] = {}


def check(id: str, *, needs: str, explains: Iterable[str] = ()) -> Callable[[Check], Check]:
    """Register a function from a snapshot to findings. It raises Lacking where it has not the facts to judge by.

    needs: in words, those facts. explains: findings that only follow from this one and are left out beside it.
    """

    def register(run: Check) -> Check:
        if id in _CHECKS:
            raise ValueError(f"two checks are called {id}")
        _CHECKS[id] = Registered(id, needs, run, tuple(explains))
        return run

    return register


def all_checks() -> tuple[Registered, ...]:
    """Every check, causes before consequences."""
    for family in FAMILIES:
        importlib.import_module(f"dlmon.checks.{family}")
    return tuple(_CHECKS.values())


class Judge:
    """Runs the checks over one snapshot after another and remembers what was raised.

    A finding keeps the step and the words with which it is worst known; one that is no longer seen is marked
    resolved rather than dropped, since what a training went through stays true of it.
    """

    def __init__(self, checks: Iterable[Registered] | None = None) -> None:
        self._checks = tuple(all_checks() if checks is None else checks)
        self._raised: dict[tuple[str, int | None, str], Finding] = {}
        self._last: tuple[tuple[object, ...], Judgement] | None = None

    def __call__(self, snapshot: RunSnapshot) -> Judgement:
        basis = _basis(snapshot)
        if self._last is None or not _same(self._last[0], basis):
            self._last = (basis, self._judge(snapshot))
        return self._last[1]

    def _judge(self, snapshot: RunSnapshot) -> Judgement:
        seen: dict[tuple[str, int | None, str], Finding] = {}
        abstained: list[Abstained] = []
        for registered in self._checks:
            verdict = _run(registered, snapshot)
            if isinstance(verdict, Abstained):
                abstained.append(verdict)
                continue
            for finding in verdict:
                seen.setdefault(_key(finding), finding)
        self._remember(seen)
        return Judgement(self._ranked(), tuple(abstained))

    def _remember(self, seen: dict[tuple[str, int | None, str], Finding]) -> None:
        for key, finding in seen.items():
            before = self._raised.get(key)
            step = finding.step if before is None or before.step is None else before.step
            self._raised[key] = replace(finding, step=step, resolved=False)
        for key, before in self._raised.items():
            if key not in seen and not before.resolved:
                self._raised[key] = replace(before, resolved=True)

    def _ranked(self) -> tuple[Finding, ...]:
        """Worst first, causes before consequences, and consequences left out where their cause is named."""
        explains = {registered.id: registered.explains for registered in self._checks}
        causes: dict[str, list[Finding]] = {}
        for finding in self._raised.values():
            for other in () if finding.resolved else explains.get(finding.id, ()):
                causes.setdefault(other, []).append(finding)
        order = {registered.id: place for place, registered in enumerate(self._checks)}
        kept = [f for f in self._raised.values() if not any(_hides(cause, f) for cause in causes.get(f.id, ()))]
        return tuple(
            sorted(
                kept,
                key=lambda f: (f.resolved, SEVERITIES.index(f.severity), order.get(f.id, len(order)), f.rank or 0),
            )
        )


def _hides(cause: Finding, finding: Finding) -> bool:
    """A consequence is left out beside its cause; a crash only beside an error, or a cause on its own line."""
    if not finding.id.startswith("crash.") or cause.severity == ERROR:
        return True
    return cause.where is not None and cause.where == finding.where


def _basis(snapshot: RunSnapshot) -> tuple[object, ...]:
    """What a judgement rests on: a screen that redraws an idle run need not judge it again."""
    return (snapshot.state, snapshot.signal, snapshot.step, *snapshot.facts.values(), *snapshot.series)


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b or (isinstance(a, (str, int)) and a == b) for a, b in zip(one, other, strict=True)
    )


def _key(finding: Finding) -> tuple[str, int | None, str]:
    """What makes two findings the same one: counts in the title may change, its subject does not."""
    return finding.id, finding.rank, str(finding.evidence.get("subject", ""))


def _run(registered: Registered, snapshot: RunSnapshot) -> tuple[Finding, ...] | Abstained:
    try:
        return tuple(replace(finding, evidence=plain(finding.evidence)) for finding in registered.run(snapshot))
    except Lacking as fact:
        return Abstained(registered.id, str(fact))
    except Exception as error:  # a bug in one check must not take the screen and the other checks with it
        return Abstained(registered.id, f"check failed: {type(error).__name__}: {error}")
