"""What a check says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlmon_probes.events import Where

ERROR, WARNING, HINT = "error", "warning", "hint"
SEVERITIES = (ERROR, WARNING, HINT)  # worst first


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. title: one sentence with its numbers. advice: what to do, one or two sentences.

    evidence: plain JSON values. step: where it was first seen. `where` is a line of the user's code, if there is one.
    """

    id: str
    severity: str
    title: str
    advice: str
    step: int | None = None
    rank: int | None = None
    where: Where | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    resolved: bool = False

    def as_json(self) -> dict[str, Any]:
        """The form of `dlmon findings --json`."""
        where = None if self.where is None else {"file": self.where.file, "line": self.where.line}
        return {
            "id": self.id, "severity": self.severity, "title": self.title, "step": self.step, "rank": self.rank,
            "where": where, "evidence": dict(self.evidence), "advice": self.advice,
        }  # fmt: skip


@dataclass(frozen=True)
class Abstained:
    """A check that could not judge, and the fact it lacks."""

    id: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    """Everything the checks have to say of one snapshot, worst first."""

    findings: tuple[Finding, ...] = ()
    abstained: tuple[Abstained, ...] = ()
