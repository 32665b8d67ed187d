"""For a set of names that were logged together: which of them become what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dlmon.interop import roles
from dlmon.interop.roles import role

_COLUMNS = {roles.LR: "lr", roles.GRAD_NORM: "grad_norm", roles.STEP_SECONDS: "dt", roles.WAIT_SECONDS: "wait"}


class Plan(NamedTuple):
    """losses: training losses. columns: (name, column of the step). results: (name, evaluation, loss or accuracy).

    others: what stays a scalar.
    """

    losses: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    results: tuple[tuple[str, str, str], ...]
    others: tuple[str, ...]

    @property
    def of_a_step(self) -> bool:
        return bool(self.losses or self.columns)

    def without_step(self) -> Plan:
        """The same, where the step has its row already."""
        return Plan((), (), self.results, (*(tag for tag, _ in self.columns), *self.others))


def plan(tags: Iterable[str]) -> Plan:
    """The first learning rate is that of the step; those of further groups stay scalars, and so on."""
    losses: list[str] = []
    columns: dict[str, str] = {}
    results: dict[tuple[str, str], str] = {}
    others: list[str] = []
    for tag in tags:
        what = role(tag)
        if what.kind == roles.LOSS:
            losses.append(tag)
        elif what.kind in _COLUMNS and _COLUMNS[what.kind] not in columns:
            columns[_COLUMNS[what.kind]] = tag
        elif what.kind in (roles.EVALUATION_LOSS, roles.EVALUATION_ACCURACY) and (what.of, what.kind) not in results:
            results[what.of, what.kind] = tag
        else:
            others.append(tag)
    found = tuple((tag, name, kind) for (name, kind), tag in results.items())
    return Plan(tuple(losses), tuple((tag, column) for column, tag in columns.items()), found, tuple(others))
