"""Faults in the batches themselves."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.origins import origins_of, samples
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events


@check("data.nan", needs="a batch", explains=("grads.nonfinite", "loss.nonfinite"))
def nan(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if not facts.batches:
        raise Lacking("no batch was seen")
    broken = any(series.points.nonfinite for series in snapshot.series if series.source == "loss")
    for batch in facts.batches:
        for named in batch.tensors:
            if named.facts.nonfinite:
                yield _nan(facts, batch, named, broken)
                return


def _nan(facts: RankFacts, batch: events.Batch, named: events.NamedTensor, broken: bool) -> Finding:
    loader = facts.loaders.get(batch.loader)
    origin = next((o for o in origins_of(facts) if o.step == batch.step and o.loader == batch.loader), None)
    indices = list(origin.indices or ()) if origin is not None and origin.broken else []
    return Finding(
        id="data.nan",
        # A finite loss means that the script deals with them: a mask, or nan_to_num.
        severity=ERROR if broken else WARNING,
        title=f"{named.facts.nonfinite or 0:.3%} of the batch's {named.path or 'tensor'} is NaN or infinite"
        f"{samples(origin) if origin else ''}",
        advice="Look for missing values and divisions by zero in the data set; replace or mask them before the model.",
        step=batch.step,
        rank=facts.rank,
        where=loader.where if loader else None,
        evidence={
            "subject": f"{batch.loader}{named.path}",
            "tensor": named.path,
            "shape": list(named.facts.shape),
            "share": named.facts.nonfinite,
            "loader": batch.loader,
            **({"samples": indices} if indices else {}),
        },
    )


@check("data.labels_out_of_range", needs="the labels and classes at a loss", explains=("crash.index", "crash.other"))
def labels_out_of_range(snapshot: RunSnapshot) -> Iterator[Finding]:
    from dlmon.checks.label_range import from_crash, from_losses

    facts = leader(snapshot)
    found = from_crash(facts) or from_losses(facts)
    if found is not None:
        yield found
    elif not facts.graphs:
        raise Lacking("no loss with class labels was seen yet")
