"""How the checks of the data look things up."""

from __future__ import annotations

from dlmon.checks.facts import Lacking, backward_site
from dlmon.state.snapshot import RankFacts
from dlmon_probes.events import Where
from dlmon_probes.events_data import LoaderRows
from dlmon_probes.stages.plan import ENGINE, LR, OVERFIT

Rows = LoaderRows

REPEATED = frozenset({ENGINE, OVERFIT, LR})  # stages that put batches of their own in the place of the script's


def loader_rows(facts: RankFacts) -> list[LoaderRows]:
    """The last word on each loader. Raises Lacking where no loader was looked into."""
    latest = {rows.loader: rows for rows in facts.further.get("loader_rows", ())}
    if not latest:
        raise Lacking("no batches of a DataLoader were seen")
    return list(latest.values())


def in_repeated_stage(facts: RankFacts) -> bool:
    return any(stage.name in REPEATED for stage in facts.stage)


def made_at(facts: RankFacts, loader: int) -> str:
    """What tells loaders apart in findings: the line that makes them (a loop may make one for each epoch)."""
    known = facts.loaders.get(loader)
    where = known.where if known is not None else None
    return f"{where.file}:{where.line}" if where is not None else str(loader)


def site(facts: RankFacts, loader: int) -> Where | None:
    """Where a loader was made; where it is not known, the backward."""
    known = facts.loaders.get(loader)
    return known.where if known is not None and known.where is not None else backward_site(facts)
