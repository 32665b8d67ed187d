"""`--on-finding`: a command of the person's for each new finding, with the finding as JSON on its stdin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from dlmon import text
from dlmon.checks.finding import HINT, Finding

LONGEST_SECONDS = 60.0
MOST_RUNS = 100  # of one training: a check that flutters must not fill a mailbox


class OnFinding:
    """Runs the command once for each finding that is an error or a warning, one after another.

    What it prints goes to `log`. A command that fails or hangs is reported and does not keep the others from running.
    """

    def __init__(self, command: str, folder: Path, log: Path) -> None:
        self._command, self._folder, self._log = command, folder, log
        self._seen: set[tuple[str, int | None, str]] = set()

    def look(self, findings: Iterable[Finding]) -> list[str]:
        """Run the command for what is new; a line for each that failed."""
        troubles = []
        for finding in findings:
            key = (finding.id, finding.rank, str(finding.evidence.get("subject", "")))
            if finding.resolved or finding.severity == HINT or key in self._seen or len(self._seen) >= MOST_RUNS:
                continue
            self._seen.add(key)
            trouble = self._run(finding)
            if trouble:
                troubles.append(f"the command of --on-finding {trouble} for {finding.id}; see {self._log.name}")
        return troubles

    def _run(self, finding: Finding) -> str:
        """What went wrong, "" if nothing did."""
        told = json.dumps({**finding.as_json(), "run": self._folder.name, "folder": str(self._folder)}).encode()
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", self._command], env=variables(finding, self._folder), stdin=subprocess.PIPE,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
                try:
                    process.communicate(told, timeout=LONGEST_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    return f"took longer than {LONGEST_SECONDS:.0f} s and was killed"
        except OSError as error:
            return f"could not run ({error.strerror or error})"
        return f"ended with code {process.returncode}" if process.returncode else ""


def variables(finding: Finding, folder: Path) -> Mapping[str, str]:
    """The command's environment: this process's own, and the finding in words for a line of shell."""
    where = finding.where
    return {
        **os.environ,
        "DLMON_FINDING": finding.id,
        "DLMON_SEVERITY": finding.severity,
        "DLMON_TITLE": text.clean(finding.title),
        "DLMON_STEP": "" if finding.step is None else str(finding.step),
        "DLMON_WHERE": "" if where is None else text.clean(f"{where.file}:{where.line}"),
        "DLMON_RUN_NAME": folder.name,
        "DLMON_RUN_FOLDER": str(folder),
    }
