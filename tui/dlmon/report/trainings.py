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
    """The models (their places) that an optimizer trains, and its first and last known step."""

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
    the next one. models: each once (see `ModelList`). last_sampled: by optimizer, the last step at which its gradients
    were sampled."""
    holders = _holders(models, optimizers, last_sampled)
    groups: list[_Held] = []
    for held in sorted(holders, key=lambda held: (held.first, held.last)):
        before = groups[-1] if groups else None
        if before is not None and (held.first <= before.last or held.roots <= before.roots):
            groups[-1] = _Held(before.roots | held.roots, before.first, max(before.last, held.last))
        else:
            groups.append(held)
    if not groups:
        every = range(len(models))
        return (_training(models, every, 0, steps, apart=len(models) < 2),) if steps and models else ()
    ends = [group.first for group in groups[1:]] + [steps]
    return tuple(
        _training(models, sorted(group.roots), 0 if i == 0 else group.first, max(end, group.first))
        for i, (group, end) in enumerate(zip(groups[:MOST_TRAININGS], ends, strict=False))
    )


class ModelList:
    """Models as they are told of. A model is written again when it changes; but a number whose parameters are all new
    is the number of a model that was freed, given to its successor."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._models: list[events.Model] = []
        self._place: dict[int, int] = {}  # root to its latest model

    def add(self, event: events.Model) -> None:
        place = self._place.get(event.root)
        if place is not None and not _succeeds(self._models[place], event):
            self._models[place] = event
        elif len(self._models) < self._most:
            self._place[event.root] = len(self._models)
            self._models.append(event)

    def place(self, root: int | None) -> int | None:
        """The place of the latest model of that number."""
        return None if root is None else self._place.get(root)

    def all(self) -> tuple[events.Model, ...]:
        return tuple(self._models)


def _succeeds(before: events.Model, after: events.Model) -> bool:
    old, new = ({row.p for row in model.parameters} for model in (before, after))
    return bool(old) and bool(new) and old.isdisjoint(new)


def _holders(
    models: Sequence[events.Model], optimizers: Sequence[events.Optimizer], last_sampled: Mapping[int, int]
) -> list[_Held]:
    root_of = {row.p: place for place, model in enumerate(models) for row in model.parameters}
    found = []
    for optimizer in optimizers:
        roots = frozenset(root_of[p] for group in optimizer.groups for p in group.parameters if p in root_of)
        if roots:
            last = max(optimizer.step, last_sampled.get(optimizer.index, optimizer.step))
            found.append(_Held(roots, optimizer.step, last))
    return found


def _training(
    known: Sequence[events.Model], places: Sequence[int], first: int, end: int, *, apart: bool = True
) -> Training:
    models = [known[place] for place in places]
    rows = {row.p: row for model in models for row in model.parameters}
    return Training(
        name=" + ".join(dict.fromkeys(describe(model) for model in models)),
        parameters=sum(row.numel for row in rows.values()),
        trained=sum(row.numel for row in rows.values() if row.requires_grad),
        first=first,
        end=end,
        apart=apart,
        models=tuple(places),
    )


def describe(model: events.Model) -> str:
    """`TinyCNN`; a container by what is in it: `Sequential(Flatten, Linear)`."""
    if not model.cls:
        return "parameters without a module"
    if model.cls not in ("Sequential", "ModuleList", "ModuleDict"):
        return model.cls
    # A model that is called from inside another one goes by its name there: `m`, `m.0`, `m.1`.
    first = model.modules[0].name if model.modules else ""
    inside = (
        f"{first}."
        if first and len(model.modules) > 1 and all(f"{row.name}.".startswith(f"{first}.") for row in model.modules)
        else ""
    )
    names = [(row.name.removeprefix(inside), row.cls) for row in model.modules if not inside or row.name != first]
    children = [cls for name, cls in names if name and "." not in name]
    more = ", …" if len(children) > MOST_CHILDREN else ""
    return f"{model.cls}({', '.join(children[:MOST_CHILDREN])}{more})" if children else model.cls
