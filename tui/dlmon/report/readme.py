"""README.md of a pack: what was run, what came of it, how far that can be trusted, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon import text
from dlmon.record import layout
from dlmon.report.answers import Answers
from dlmon.report.evidence import Evidence
from dlmon.report.markdown import block, page, plain, table
from dlmon.report.tables import LogRow, ModelRow
from dlmon.report.words import limits, missing, next_step, rerun_command, sentences

_OF_THE_TERMINAL = frozenset({"TERM", "LANG", "COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "PYTHONUNBUFFERED"})
CONTENTS = (
    ("outputs/training_log.csv", "losses, accuracy, learning rate and time, a row for each evaluation or epoch"),
    ("outputs/model_comparison.csv", "the models side by side"),
    ("outputs/confusion_matrix.csv", "actual classes by predicted ones"),
    ("outputs/error_samples.csv", "what was answered wrongly, with its place in the data set"),
    ("outputs/metrics_summary.json", "the numbers in one place"),
    ("curves/", "pictures of the curves"),
    ("checkpoints/best.json", "where the best checkpoint lies, its digest, and whether it loads"),
    ("reports/shape_trace.md", "shapes through the model, call by call"),
    ("reports/debug_checklist.md", "everything that was checked, and what was not"),
    ("reports/findings.md", "what is wrong, with its evidence"),
    ("report.html", "all of this on one page"),
    ("manifest.json", "digests of all files"),
)


def readme(
    evidence: Evidence, rows: tuple[LogRow, ...], models: Sequence[ModelRow], answers: Answers, notes: Sequence[str]
) -> str:
    """notes: what the pack itself lacks (pictures without Matplotlib)."""
    lines = [f"# Evidence of {plain(evidence.name)}", ""]
    lines += [plain(sentence) for sentence in sentences(evidence, rows)]
    lines += ["", "## Run it again", "", *_rerun(evidence)]
    lines += ["", "## Environment", "", *table(("what", "value"), environment_rows(evidence))]
    lines += ["", "## Limits", "", *(f"- {plain(line)}" for line in limits(evidence, answers, rows))]
    lines += [f"- {plain(note)}" for note in notes]
    lines += [f"- not recorded: {plain(line)}" for line in missing(evidence, answers, rows)]
    lines += ["", "## Next step", "", plain(next_step(evidence, len(models)))]
    lines += ["", "## What is in here", "", *table(("file", "what"), ((f"`{name}`", what) for name, what in CONTENTS))]
    return page(lines)


def _rerun(evidence: Evidence) -> list[str]:
    command = rerun_command(evidence)
    if not command:
        return ["not recorded: the command"]
    where = text.clean(evidence.manifest.cwd)
    git = evidence.manifest.git
    lines = [f"In {plain(where)}:" if where else "", "", *block([command], "sh")]
    if git and git.commit:
        state = ", with uncommitted changes (git.diff in the run's folder)" if git.dirty else ""
        lines += ["", f"at commit `{text.clean(git.commit)[:40]}`{state}"]
    if (evidence.folder / layout.SOURCE).is_dir():
        lines += ["", "The source files as they were lie in source/ of the run's folder."]
    return lines


def environment_rows(evidence: Evidence) -> list[tuple[str, str]]:
    return [(name, plain(value)) for name, value in environment(evidence)]


def environment(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(what, value) of where the run ran; only what is known."""
    manifest, process = evidence.manifest, evidence.main
    hello = process.hello if process else None
    host = evidence.view.snapshot.machine.host
    rows = (
        ("host", manifest.host or (hello.host if hello else "")),
        ("Python", hello.python if hello else ""),
        ("torch", (hello.torch or "") if hello else ""),
        ("CUDA", (hello.cuda or "") if hello else ""),
        ("GPUs", ", ".join(evidence.machine.gpus.values()) or evidence.machine.note),
        ("CPU cores", str(host.cores) if host else ""),
        ("memory", text.size(evidence.machine.ram_total) if evidence.machine.ram_total else ""),
        ("processes", str(evidence.view.snapshot.world) if process else ""),
        ("seed", str(process.seed) if process and process.seed is not None else ""),
        ("dlmon", manifest.dlmon),
        *(sorted(item for item in manifest.environment.values.items() if item[0] not in _OF_THE_TERMINAL)),
    )
    return ((text.clean(name), text.clean(value)) for name, value in rows if value)
