"""Saved weights that do not come back: names that fit nothing, a file that goes nowhere, a copy that is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import HINT, WARNING, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes.events_model import StateFile, StateLoad

USED = 0.5  # of the names that could have been taken; below it a call with strict=False did not do its work
RENAMED = 0.5  # of the unexpected names fit under another prefix
MATCHED = 0.5  # of the model's parameters have their namesake in the file
COMPARED = 2  # tensors whose values differ from the file's


@check("model.checkpoint_not_loaded", needs="a call of load_state_dict or torch.load")
def checkpoint_not_loaded(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    loads: Sequence[StateLoad] = facts.further.get("state_load", ())
    files: Sequence[StateFile] = facts.further.get("state_file", ())
    if not loads and not files:
        raise Lacking("no saved weights were loaded")
    for load in loads:
        if _mostly_ignored(load):
            yield _ignored(facts, load)
    # Of one file only what fits the model best: it may hold a teacher's or an average's weights beside it.
    for file in files:
        if _went_nowhere(file) and not any(_went_somewhere(other) for other in files if other.where == file.where):
            yield _nowhere(facts, file)


def _mostly_ignored(load: StateLoad) -> bool:
    taken, possible = load.given - load.n_unexpected, min(load.own, load.given)
    return load.n_unexpected > 0 and load.n_missing > 0 and possible > 0 and taken < USED * possible


def _ignored(facts: RankFacts, load: StateLoad) -> Finding:
    taken = load.given - load.n_unexpected
    renamed = bool(load.prefix) and load.renamed >= RENAMED * load.n_unexpected
    missing, unexpected = (names[0] if names else "?" for names in (load.missing, load.unexpected))
    put = renamed and load.prefix and any(name.startswith(load.prefix) for name in load.missing)
    return Finding(
        id="model.checkpoint_not_loaded",
        severity=WARNING if renamed or not taken else HINT,
        title=(
            f"load_state_dict(strict=False) took {taken} of {load.given} entries: {load.cls} has {missing}, "
            f"it was given {unexpected}"
        ),
        advice=(
            f"{'Put' if put else 'Take'} the prefix '{load.prefix}' {'in front of' if put else 'off'} the names, and "
            "load with strict=True."
            if renamed
            else "Look at the missing_keys and unexpected_keys that it returns, and load with strict=True."
        ),
        step=load.step,
        rank=facts.rank,
        where=load.where,
        evidence={
            "subject": f"{load.cls} {load.prefix} {missing}",
            "taken": taken,
            "given": load.given,
            "missing": load.n_missing,
            "unexpected": load.n_unexpected,
            "prefix": load.prefix,
        },
    )


def _went_nowhere(file: StateFile) -> bool:
    """It is this model's, nothing was loaded into anything, and no value that was compared is the file's."""
    return (
        not file.used
        and file.equal == 0
        and file.looked >= COMPARED
        and file.matched >= MATCHED * max(file.own, 1)
        and file.matched >= MATCHED * max(file.entries, 1)
    )


def _went_somewhere(file: StateFile) -> bool:
    return file.equal > 0


def _nowhere(facts: RankFacts, file: StateFile) -> Finding:
    return Finding(
        id="model.checkpoint_not_loaded",
        severity=WARNING,
        title=(
            f"weights for {file.matched} of the model's {file.own} parameters were read from a file and not loaded: "
            f"none of {file.looked} compared has the file's values"
        ),
        advice=f"Hand them to the model before training: model.load_state_dict(checkpoint{file.path}).",
        step=file.step,
        rank=facts.rank,
        where=file.where,
        evidence={
            "subject": f"file{file.path}",
            "entries": file.entries,
            "matched": file.matched,
            "parameters": file.own,
            "compared": file.looked,
        },
    )


@check("model.best_state_aliased", needs="a call of load_state_dict")
def best_state_aliased(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    loads: Sequence[StateLoad] = facts.further.get("state_load", ())
    if not loads:
        raise Lacking("no saved weights were loaded")
    for load in loads:
        if not load.common or load.aliased < load.common or load.made is None:
            continue
        steps = load.step - load.made
        if steps > 0 or load.loads_since > 0:
            yield _aliased(facts, load, steps)


def _aliased(facts: RankFacts, load: StateLoad, steps: int) -> Finding:
    since = f"{steps} step{'s' if steps > 1 else ''}" if steps > 0 else "other weights were loaded"
    return Finding(
        id="model.best_state_aliased",
        severity=WARNING,
        title=(
            f"loading does nothing: the state_dict() taken at step {load.made} is not a copy, all {load.common} of its "
            f"tensors are {load.cls}'s own memory, and they changed with it ({since} since)"
        ),
        advice="Keep a copy: best = copy.deepcopy(model.state_dict()), or torch.save it to a file.",
        step=load.step,
        rank=facts.rank,
        where=load.where,
        evidence={
            "subject": f"{load.where.file}:{load.where.line}" if load.where else load.cls,
            "aliased": load.aliased,
            "taken_at": load.made,
            "loaded_at": load.step,
            "loads_since": load.loads_since,
        },
    )
