"""What a stage ends in, and the record of a rehearsal: `rehearsal.json` in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dlmon.checks.finding import Finding
from dlmon_probes.events import Where

PASS, FAIL, INCONCLUSIVE, SKIPPED = "pass", "fail", "inconclusive", "skipped"
UNKNOWN = "unknown"  # of an item: there was nothing to judge
RECORD = "rehearsal.json"
SCHEMA = 1


@dataclass(frozen=True)
class Item:
    """One thing that a stage looked at. verdict: pass, fail, inconclusive or unknown. detail carries the numbers."""

    name: str
    verdict: str
    detail: str


@dataclass(frozen=True)
class WrittenFile:
    """A file that a stage wrote. path: as the script named it, absolute. stored: where it went instead, relative to
    the stage's run folder; "" when it was really written there. bytes: None when it is gone. how: "open",
    "torch.save", "safetensors", "removed"…"""

    path: str
    stored: str
    bytes: int | None
    how: str = "open"


@dataclass(frozen=True)
class StageReport:
    """A stage's verdict.

    summary: one line with the numbers. next_step: what to do now, one or two sentences. findings: of the checks and
    of the review. evidence: plain JSON; curves under "curves" as {name: [[x, y], …]}. run: the stage's run folder,
    relative to the rehearsal's; "" where nothing ran. exit_code: of the script, None where the stage ended it or
    nothing ran.
    """

    name: str
    verdict: str
    summary: str
    seconds: float = 0.0
    items: Sequence[Item] = ()
    findings: Sequence[Finding] = ()
    next_step: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    exit_code: int | None = None
    files: Sequence[WrittenFile] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of `dlmon check --json`."""
        return {
            "name": self.name, "verdict": self.verdict, "seconds": round(self.seconds, 3), "summary": self.summary,
            "items": [asdict(item) for item in self.items],
            "findings": [finding.as_json() for finding in self.findings], "next_step": self.next_step,
            "evidence": dict(self.evidence), "run": self.run, "exit_code": self.exit_code,
            "files": [asdict(file) for file in self.files],
        }  # fmt: skip


def outweighed(engine: StageReport) -> StageReport:
    """A failed engine report after overfit has passed: a real batch is learned, so nothing is certain."""
    return replace(
        engine,
        verdict=INCONCLUSIVE,
        summary=f"the synthetic data may not suit this model, which learns a batch of your own: {engine.summary}",
        next_step="Nothing to do if overfit passes: it says the same of your own data.",
    )


@dataclass(frozen=True)
class Record:
    """A rehearsal as it stands. script and argv: as typed. started: unix seconds. wanted: the stages that were chosen.
    options: those of `stages.Options`, and python and literal of the command line, to go on with it later. going:
    (stage, run folder) that was begun and not judged yet.
    """

    script: str
    argv: Sequence[str]
    cwd: str
    started: float
    reports: Sequence[StageReport] = ()
    wanted: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    going: tuple[str, str] | None = None

    def report(self, stage: str) -> StageReport | None:
        return next((report for report in self.reports if report.name == stage), None)

    def with_report(self, report: StageReport) -> Record:
        """The record with a stage's newest report in the place of an older one."""
        if self.report(report.name) is None:
            return replace(self, reports=(*self.reports, report), going=None)
        changed = tuple(report if other.name == report.name else other for other in self.reports)
        return replace(self, reports=changed, going=None)

    def as_json(self, exit_code: int | None = None) -> dict[str, Any]:
        row: dict[str, Any] = {"script": self.script, "stages": [report.as_json() for report in self.reports]}
        return row | {"exit_code": exit_code}


def write_record(folder: Path, record: Record) -> None:
    """Replace rehearsal.json in one piece. Raises OSError."""
    scratch = folder / f".{RECORD}.{os.getpid()}"
    row = record.as_json() | {
        "schema": SCHEMA, "argv": list(record.argv), "cwd": record.cwd, "started": record.started,
        "wanted": list(record.wanted), "options": dict(record.options),
        "going": record.going,
    }  # fmt: skip
    scratch.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    scratch.replace(folder / RECORD)


def read_record(folder: Path) -> Record | None:
    """The record in a rehearsal's folder; None where there is none that can be read."""
    try:
        row = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Record(
            script=str(row["script"]), argv=tuple(map(str, row["argv"])), cwd=str(row["cwd"]),
            started=float(row["started"]), reports=tuple(_report(stage) for stage in row["stages"]),
            wanted=tuple(map(str, row["wanted"])), options=dict(row["options"]),
            going=(str(row["going"][0]), str(row["going"][1])) if row["going"] else None,
        )  # fmt: skip
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def goes_on(folder: Path) -> bool:
    """Whether a stage of the rehearsal in `folder` was begun and not judged yet."""
    record = read_record(folder)
    return record is not None and record.going is not None


def _report(row: Mapping[str, Any]) -> StageReport:
    return StageReport(
        name=str(row["name"]), verdict=str(row["verdict"]), summary=str(row["summary"]),
        seconds=float(row["seconds"]), items=tuple(Item(**item) for item in row["items"]),
        findings=tuple(_finding(item) for item in row["findings"]), next_step=str(row["next_step"]),
        evidence=dict(row["evidence"]), run=str(row["run"]), exit_code=row["exit_code"],
        files=tuple(WrittenFile(**item) for item in row["files"]),
    )  # fmt: skip


def _finding(row: Mapping[str, Any]) -> Finding:
    where = row["where"]
    return Finding(
        id=str(row["id"]), severity=str(row["severity"]), title=str(row["title"]), advice=str(row["advice"]),
        step=row["step"], rank=row["rank"], evidence=dict(row["evidence"]),
        where=Where(str(where["file"]), int(where["line"])) if where else None,
    )  # fmt: skip
