"""Whether a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator

from dlmon.checks.facts import Lacking, leader
from dlmon.checks.finding import HINT, Finding
from dlmon.checks.registry import check
from dlmon.state.snapshot import RunSnapshot

UNSET = 2**32  # torch draws 53 random bits where nobody sets a seed; people's own fit into 32


@check("repro.no_seed", needs="torch's seed when training began")
def no_seed(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    told = facts.further.get("beginning", ())
    if not told:
        raise Lacking("the beginning of the training was not seen")
    if told[0].seed >= UNSET:
        yield Finding(
            id="repro.no_seed",
            severity=HINT,
            title="no seed was set when training began: another run of the same script gives other numbers",
            advice="Call torch.manual_seed(0) first (and random.seed, numpy.random.seed where they are used).",
            step=0,
            rank=facts.rank,
            evidence={"seed": "drawn at random by torch"},
        )
