"""A rehearsal without training: a driver that plays recorded reports, and the records of a good and a bad script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.errors import UserError
from dlmon.rehearsal.report import FAIL, INCONCLUSIVE, PASS, SKIPPED, UNKNOWN, Item, Record, StageReport, WrittenFile
from dlmon.rehearsal.stages import STAGES
from dlmon_probes.control import create
from dlmon_probes.events import Where

NAME = "20260730-101112-stripes_cnn-rehearsal"
WANTED = tuple(stage for stage in STAGES if stage != "lr")
SCRIPT = "/home/me/stripes_cnn.py"

DIFF = """\
--- stripes_cnn.py (before)
+++ stripes_cnn.py (now)
@@ -86,5 +86,6 @@
     for images, labels in loader:
+        optimizer.zero_grad()
         loss = criterion(model(images), labels)
-        loss.backward()
-        optimizer.step()
+        loss.backward()  # once
+        optimizer.step()  # once
"""


def falling(steps: int, floor: float = 0.0) -> list[list[float]]:
    return [[step, floor + 1.1 * math.exp(-step / 12)] for step in range(steps)]


def swept() -> list[list[float]]:
    """Flat, falling, and off: as a sweep from 1e-7 to 10 looks."""
    rates = [10 ** (-7 + 8 * i / 199) for i in range(200)]
    return [[lr, 1.1 - 0.9 / (1 + (3e-3 / lr) ** 2) + 8 * max(0.0, math.log10(lr) + 0.3) ** 2] for lr in rates]


REVIEW = StageReport(
    "review", PASS, "1 file, 142 lines: 1 hint", 0.4,
    (Item("read", PASS, "stripes_cnn.py"), Item("hints", PASS, "1 hint")),
    (Finding(
        "review.no_seed", HINT, "no seed is set: two runs differ", "Call torch.manual_seed(0) first.",
        where=Where(SCRIPT, 12),
    ),),
    "Nothing certain is wrong; stripes_cnn.py:12 is worth a look.",
)  # fmt: skip
SMOKE_ITEMS = (
    Item("data", PASS, "batch [0] 32×1×16×16 float32 0 … 1; [1] 32 int64 0 … 2"),
    Item("labels", PASS, "0 … 2, the output has 3 classes"),
    Item("forward", PASS, "output 32×3"),
    Item("loss", PASS, "first loss 1.096, expected ln 3 = 1.099"),
    Item("backward", PASS, "gradients reach 6 of 6 parameters"),
    Item("step", PASS, "weights moved 6 of 6"),
    Item("clearing", PASS, "gradients cleared between steps"),
    Item("mode", UNKNOWN, "no dropout or batch norm seen"),
    Item("evaluation", PASS, "1 pass, loss 1.08, accuracy 41 %"),
    Item("checkpoint", PASS, "best.pt 12.4 KiB loads back, weights_only too"),
    Item("reproducible", PASS, "2 of 2 losses equal with the same seed"),
    Item("files", PASS, "3 files kept with the stage, none in the project"),
)
FILES = (
    WrittenFile(f"{SCRIPT[:-14]}out/best.pt", "files/home/me/out/best.pt", 12_700, "torch.save"),
    WrittenFile(f"{SCRIPT[:-14]}out/log.csv", "files/home/me/out/log.csv", 412),
    WrittenFile("/var/shared/index.db", "", 4096, "audit"),
)
SMOKE = StageReport(
    "smoke", PASS, "batch 32×1×16×16 float32, first loss 1.096 (ln 3 = 1.099), gradients 6 of 6, weights moved", 3.1,
    SMOKE_ITEMS, (), "Go on to engine: enter.", {"steps": 2, "first_loss": 1.096, "expected_loss": 1.0986},
    "smoke", 0, FILES,
)  # fmt: skip
SMOKE_FAILED = replace(
    SMOKE, verdict=FAIL, summary="gradients pile up: 1 error",
    items=(*SMOKE_ITEMS[:6], Item("clearing", FAIL, "not cleared before 2 of 2 backward calls"), *SMOKE_ITEMS[7:]),
    findings=(
        Finding(
            "loop.no_zero_grad", ERROR,
            "gradients pile up: nothing cleared them before the backward calls of 2 of 2 steps",
            "Call optimizer.zero_grad() before loss.backward().", 1, 0, Where(SCRIPT, 88, "train", "loss.backward()"),
            {"samples": 2},
        ),
        Finding(
            "data.not_scaled", WARNING, "inputs reach 255", "Divide the images by 255.", 0, 0, Where(SCRIPT, 40),
            {"max": 255.0},
        ),
    ),
    next_step="Call optimizer.zero_grad() before loss.backward() in stripes_cnn.py:88, then run smoke again.",
)  # fmt: skip
ENGINE = StageReport(
    "engine", PASS, "synthetic data learned: loss 1.11 to 0.021 in 64 steps, accuracy 100 %", 2.6,
    (Item("learning", PASS, "loss fell 98 % of the way to its floor 0"), Item("floor", PASS, "0, hard labels")), (),
    "Model, loss and optimizer can learn; go on to overfit.",
    {"curves": {"loss": falling(64)}, "floor": 0.0, "first": 1.11, "last": 0.021}, "engine",
)  # fmt: skip
OVERFIT = StageReport(
    "overfit", PASS, "loss 0.0004, accuracy 100 % after 61 steps", 4.0,
    (Item("loss", PASS, "0.0004, floor 0"), Item("same batch", PASS, "61 of 61 looks")), (),
    "Go on to subset, or to the full run.",
    {
        "curves": {"loss": falling(61), "accuracy": [[step, min(1.0, step / 40)] for step in range(61)]},
        "floor": 0.0, "gradients": [{"parameter": "features.0.weight", "norm": 0.012, "update": 1.1e-3}],
    }, "overfit",
)  # fmt: skip
LR = StageReport(
    "lr", INCONCLUSIVE, "steepest at 2.2e-3, diverges at 0.9; yours is 1e-4", 5.5, (), (),
    "Try a learning rate of 2e-3.",
    {"curves": {"loss": swept()}, "suggestion": 2.2e-3, "divergence": 0.9, "lr": 1e-4}, "lr",
)  # fmt: skip
SUBSET = StageReport("subset", SKIPPED, "passed by", next_step="", run="")
FULL = StageReport("full", PASS, "exit code 0 after 12 min 04 s", 724.0, run="full", exit_code=0)
GOOD = {report.name: report for report in (REVIEW, SMOKE, ENGINE, OVERFIT, LR, SUBSET, FULL)}


def record(*reports: StageReport) -> Record:
    return Record(SCRIPT, ("python", SCRIPT), "/home/me", 1_700_000_000.0, reports)


class PlayedStage:
    """Ends with its report when the test says so; at once where `at_once`."""

    def __init__(self, stage: str, folder: Path | None, report: StageReport, ended: Callable[[StageReport], None]):
        self.stage, self.folder, self.report = stage, folder, report
        self.over = self.aborted = False
        self._ended = ended
        self.broken: Exception | None = None

    def poll(self) -> StageReport | None:
        if self.broken is not None:
            raise self.broken
        if not self.over:
            return None
        report = replace(self.report, verdict=INCONCLUSIVE, summary="aborted") if self.aborted else self.report
        self._ended(report)
        return report

    def abort(self) -> None:
        self.over = self.aborted = True


class PlayedRehearsal:
    """Plays `reports`; keeps what it was asked for in `asked`."""

    def __init__(
        self,
        folder: Path,
        reports: dict[str, StageReport] | None = None,
        *,
        done: Sequence[StageReport] = (),
        wanted: Sequence[str] = WANTED,
        at_once: bool = True,
        diff: str = "",
    ) -> None:
        self.folder, self.wanted, self.record = folder, wanted, record(*done)
        self.reports, self.at_once, self.diff = reports or GOOD, at_once, diff
        self.asked: list[str] = []
        self.running: PlayedStage | None = None
        self.refuse = ""

    def begin(self, stage: str) -> PlayedStage:
        self.asked.append(f"begin {stage}")
        if self.refuse:
            raise UserError(self.refuse)
        folder = None
        if stage != "review":
            folder = self.folder / stage
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "control").exists():
                create(str(folder))
        self.running = PlayedStage(stage, folder, self.reports[stage], self._keep)
        self.running.over = self.at_once
        return self.running

    def _keep(self, report: StageReport) -> None:
        self.record = self.record.with_report(report)
        self.running = None

    def finish(self, report: StageReport | None = None) -> None:
        """Let the running stage end, with another report than the played one if given."""
        assert self.running is not None
        self.running.report = report or self.running.report
        self.running.over = True

    def break_down(self, error: Exception) -> None:
        assert self.running is not None
        self.running.broken = error

    def changes(self, stage: str) -> str:
        self.asked.append(f"changes {stage}")
        return self.diff

    def skip(self, stage: str) -> StageReport:
        self.asked.append(f"skip {stage}")
        report = StageReport(stage, SKIPPED, "passed by")
        self.record = self.record.with_report(report)
        return report

    def resume(self) -> PlayedStage | None:
        return self.running

    def leave(self) -> None:
        self.asked.append("leave")

    def close(self) -> None:
        self.asked.append("close")


def played(tmp_path: Path, done: Sequence[StageReport] = (), **more: object) -> PlayedRehearsal:
    return PlayedRehearsal(tmp_path / NAME, done=done, **more)  # type: ignore[arg-type]
