"""Language models that are shown the token they are to predict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.facts import Lacking, backward_site, finite, leader
from dlmon.checks.finding import ERROR, HINT, Finding
from dlmon.checks.model_units import layer_site
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes.events_model import NextToken

SHIFTED = 0.98  # of the targets are the next token: an input is cut from a longer text, or its end is padded
SAME = 0.5  # of the targets equal their own token: then copying says nothing of the future
AHEAD = 0.01  # of the attention lies on later positions; a mask leaves exactly 0


@check("loss.future_leak", needs="a class loss over embedded tokens, and attention or a recurrent layer in its graph")
def future_leak(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    seen: Sequence[NextToken] = facts.further.get("next_token", ())
    asked = [told for told in seen if _asks_for_next(told)]
    if not seen:
        raise Lacking("no loss over embedded tokens was seen")
    for series in sorted({told.series for told in asked}):
        mine = [told for told in asked if told.series == series]
        leaks = [_leak(told) for told in mine]
        if all(leaks):
            yield _finding(facts, mine[0], *(leaks[0] or ("", "", {})))


def _asks_for_next(told: NextToken) -> bool:
    return (told.shifted or 0.0) >= SHIFTED and (told.same or 0.0) <= SAME


def _leak(told: NextToken) -> tuple[str, str, dict[str, object]] | None:
    """(severity, what is seen, evidence)."""
    shares = finite(told.ahead)
    looking = [share for share in shares if share > AHEAD]
    if looking and told.embedded > 1:
        return None  # an encoder's attentions, or those that look at it, may see everything
    if looking:
        severity = ERROR if len(looking) == len(shares) else HINT
        what = (
            f"{len(looking)} of {len(shares)} attentions look at later positions ({max(looking):.0%} of their weight)"
        )
        return severity, what, {"ahead": shares, "attentions": len(shares)}
    if told.backward_rnn and not shares and told.embedded == 1:
        what = f"{told.backward_rnn} recurrent layer{'s' * (told.backward_rnn > 1)} read from the end"
        return ERROR, what, {"backward_rnn": told.backward_rnn}
    return None


def _finding(facts: RankFacts, told: NextToken, severity: str, what: str, evidence: dict[str, object]) -> Finding:
    return Finding(
        id="loss.future_leak",
        severity=severity,
        title=(
            f"the model sees what it is to predict: {told.shifted:.0%} of the targets are the next of "
            f"{told.positions} tokens, and {what}"
        ),
        advice=(
            "Use only layers that read forwards (bidirectional=False)."
            if "backward_rnn" in evidence
            else "Pass a causal mask: is_causal=True, or an upper triangle of -inf in front of the softmax."
        ),
        step=told.step,
        rank=facts.rank,
        where=layer_site(facts) or backward_site(facts, told.series),
        evidence={"subject": str(told.series), "shifted": told.shifted, "positions": told.positions, **evidence},
    )
