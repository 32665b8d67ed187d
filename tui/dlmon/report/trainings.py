"""Which models were trained in a process, and when: told from the parameters that its optimizers hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlmon.report.evidence import Training
from dlmon_probes import events

MOST_TRAININGS = 64
MOST_CHILDREN = 4  # of a Sequential, named in its description


@dataclass(frozen=True)
class _Held:
    """The roots that an optimizer trains, and its first and last known step."""

    roots: frozenset[int]
    first: int
    last: int


def trainings(
    models: Sequence[events.Model],
    optimizers: Sequence[events.Optimizer],
    last_sampled: Mapping[int, int],
    steps: int,
) -> tuple[Training, ...]:
    """Models whose optimizers step in turns are one training (a GAN); a model that begins after another has ended is
    the next one. last_sampled: by optimizer, the last step at which its gradients were sampled."""
    holders = _holders(models, optimizers, last_sampled)
    groups: list[_Held] = []
    for held in sorted(holders, key=lambda held: (held.first, held.last)):
        before = groups[-1] if groups else None
        if before is not None and (held.first <= before.last or held.roots <= before.roots):
            groups[-1] = _Held(before.roots | held.roots, before.first, max(before.last, held.last))
        else:
            groups.append(held)
    if not groups:
        return (_training(list(models), 0, steps),) if steps and models else ()
    groups = groups[:MOST_TRAININGS]
    ends = [group.first for group in groups[1:]] + [steps]
    by_root = {model.root: model for model in models}
    return tuple(
        _training([by_root[root] for root in sorted(group.roots)], 0 if i == 0 else group.first, max(end, group.first))
        for i, (group, end) in enumerate(zip(groups, ends, strict=True))
    )


def _holders(
    models: Sequence[events.Model], optimizers: Sequence[events.Optimizer], last_sampled: Mapping[int, int]
) -> list[_Held]:
    root_of = {row.p: model.root for model in models for row in model.parameters}
    found = []
    for optimizer in optimizers:
        roots = frozenset(root_of[p] for group in optimizer.groups for p in group.parameters if p in root_of)
        if roots:
            last = max(optimizer.step, last_sampled.get(optimizer.index, optimizer.step))
            found.append(_Held(roots, optimizer.step, last))
    return found


def _training(models: Sequence[events.Model], first: int, end: int) -> Training:
    rows = {row.p: row for model in models for row in model.parameters}
    return Training(
        name=" + ".join(dict.fromkeys(describe(model) for model in models)),
        parameters=sum(row.numel for row in rows.values()),
        trained=sum(row.numel for row in rows.values() if row.requires_grad),
        first=first,
        end=end,
    )


def describe(model: events.Model) -> str:
    """`TinyCNN`; a container by what is in it: `Sequential(Flatten, Linear)`."""
    if not model.cls:
        return "parameters without a module"
    if model.cls not in ("Sequential", "ModuleList", "ModuleDict"):
        return model.cls
    children = [row.cls for row in model.modules if row.name and "." not in row.name]
    more = ", …" if len(children) > MOST_CHILDREN else ""
    return f"{model.cls}({', '.join(children[:MOST_CHILDREN])}{more})" if children else model.cls
