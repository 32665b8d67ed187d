"""report.html: the pack on one page. No network, no script; every word of the log is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from dlmon import text
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.report import html_tables as tables
from dlmon.report import svg
from dlmon.report.answers import confusion, error_samples
from dlmon.report.charts import charts, phase_bars
from dlmon.report.checkpoints import Pointer
from dlmon.report.contents import Contents
from dlmon.report.evaluations import best_training
from dlmon.report.pages import check_rows, smoke_rows
from dlmon.report.readme import environment
from dlmon.report.style import CSS
from dlmon.report.words import limits, missing, next_step, rerun_command, sentences, standing
from dlmon.state import snapshot as states

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(contents: Contents) -> str:
    """The whole page."""
    title = escape(text.clean(contents.evidence.name))
    body = "\n".join(part for part in _sections(contents) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _sections(contents: Contents) -> Iterator[str]:
    yield _header(contents)
    yield _tiles(contents)
    yield _section("Findings", _findings(contents))
    yield _charts(contents)
    yield _section("Models side by side", tables.models(contents.models))
    yield _answers(contents)
    yield _section("Training log", tables.training_log(contents.rows), long=True)
    yield _section("First steps", tables.checks(smoke_rows(contents.evidence)))
    yield from (_section(f"Rehearsal of {record.script}", tables.stages(record)) for record in contents.rehearsals)
    yield _section("Shapes", tables.shape_trace(contents.evidence), long=True)
    yield _checks(contents)
    yield _pair(_section("Run it again", _again(contents)), _section("Limits", _limits(contents)))
    yield f"<footer>Made from the run's log by dlmon {escape(text.clean(contents.evidence.manifest.dlmon))}.</footer>"


def _section(title: str, body: str, *, long: bool = False) -> str:
    return f"<section{' class=long' if long else ''}><h2>{_safe(title)}</h2>{body}</section>" if body else ""


def _pair(*sections: str) -> str:
    shown = "".join(section for section in sections if section)
    return f'<div class="pair">{shown}</div>' if shown else ""


def _safe(words: str) -> str:
    return escape(text.clean(words))


def _header(contents: Contents) -> str:
    snapshot = contents.evidence.view.snapshot
    word = {states.FINISHED: "good", states.FAILED: "bad", states.LOST: "bad"}.get(snapshot.state, "warn")
    told = " ".join(f"{sentence}" for sentence in sentences(contents.evidence, contents.rows))
    return (
        '<header><p class="kicker">evidence of a training run</p>'
        f'<h1>{_safe(contents.evidence.name)}<span class="badge {word}">{_safe(snapshot.state)}</span></h1>'
        f'<p class="lead">{_safe(told)}</p>'
        f'<p class="lead"><b>Next:</b> {_safe(next_step(contents.evidence, len(contents.models)))}</p>'
        "</header>"
    )


def _tiles(contents: Contents) -> str:
    shown = "".join(
        f'<div class="tile"><dt>{_safe(name)}</dt><dd>{_safe(value)}<small>{_safe(note)}</small></dd></div>'
        for name, value, note in _numbers(contents)
    )
    return f'<dl class="tiles">{shown}</dl>'


def _numbers(contents: Contents) -> Iterator[tuple[str, str, str]]:
    evidence = contents.evidence
    process, snapshot = evidence.main, evidence.view.snapshot
    chosen, group = best_training(process) if process else (None, None)
    best = group.best if group else None
    if best is not None:
        at = f"after {text.plural(best.step, 'step')}"
        if best.loss is not None:
            yield "best validation loss", text.number(best.loss), at
        if best.accuracy is not None:
            yield "accuracy there", text.percent(best.accuracy), f"{best.samples:,} samples" if best.samples else at
    elif process is not None and process.main_loss in process.losses:
        view = process.losses[process.main_loss or ""]
        yield f"last {view.name}", text.number(view.last), f"at step {view.last_step:,}"
    if process is not None and process.trainings:
        training = chosen or process.trainings[-1]
        yield "parameters", text.short_count(training.parameters), training.name
    yield "steps", text.count(process.steps if process else 0), f"in {text.duration(snapshot.elapsed)}"
    found = standing(evidence)
    serious = sum(finding.severity in (ERROR, WARNING) for finding in found)
    hints = len(found) - serious
    yield "findings", str(serious), f"and {text.plural(hints, 'hint')}" if hints else "and no hints"


def _findings(contents: Contents) -> str:
    found = standing(contents.evidence)
    return "".join(_finding(finding) for finding in found) or '<p class="soft">The checks found nothing wrong.</p>'


def _finding(finding: Finding) -> str:
    word = {ERROR: "bad", WARNING: "warn"}.get(finding.severity, "soft")
    where = finding.where
    place = (
        f"<p><code>{_safe(f'{where.file}:{where.line}')}</code> <code>{_safe(where.text)}</code></p>" if where else ""
    )
    since = f" · since step {finding.step:,}" if finding.step is not None else ""
    return (
        f'<div class="finding"><b class="{word}">{_safe(finding.severity)}</b> <b>{_safe(finding.title)}</b>'
        f'{place}<p>{_safe(finding.advice)}</p><p class="note"><code>{_safe(finding.id)}</code>{since}</p></div>'
    )


def _charts(contents: Contents) -> str:
    found = []
    for chart in charts(contents.evidence):
        note = f'<p class="note">{_safe(chart.note)}</p>' if chart.note else ""
        unit = f" ({chart.y_label})" if chart.y_label else ""
        found.append(_section(chart.title + unit, svg.draw(chart) + svg.legend(chart) + note))
    phases = phase_bars(contents.evidence)
    if phases is not None:
        found.append(_section(phases.title, svg.bars(phases)))
    return _pair(*found)


def _answers(contents: Contents) -> str:
    predictions = contents.answers.predictions
    if predictions is None:
        return ""
    header, rows = confusion(predictions)
    samples, wrong = error_samples(predictions)
    title = "Mistakes, the worst first" if wrong else "No mistake among those looked at: the least certain answers"
    which = f'<p class="note">{_safe(contents.answers.which)}</p>'
    parts = [
        _section("Confusion matrix", tables.confusion(header, rows) + which) if rows else "",
        _section(title, tables.samples(samples) + ("" if rows else which)) if samples else "",
    ]
    return "".join(parts)


def _checks(contents: Contents) -> str:
    rows = check_rows(contents.evidence)
    body = tables.checks(rows)
    return _section(
        "All checks", f"<details><summary>{text.plural(len(rows), 'row')}</summary>{body}</details>", long=True
    )


def _again(contents: Contents) -> str:
    command = rerun_command(contents.evidence)
    shown = (
        f"<p>In <code>{_safe(contents.evidence.manifest.cwd)}</code>:</p><pre>{_safe(command)}</pre>" if command else ""
    )
    rows = "".join(
        f'<tr><th scope="row" class="word">{_safe(name)}</th><td>{_safe(value)}</td></tr>'
        for name, value in environment(contents.evidence)
    )
    return f"{shown}<table>{rows}</table>{_checkpoint(contents.checkpoint)}"


def _checkpoint(pointer: Pointer) -> str:
    if not pointer.found:
        return f'<p class="note">Checkpoint: not found; {_safe(pointer.why)}</p>'
    digest = f"<p><code>sha256 {_safe(pointer.sha256)}</code></p>" if pointer.sha256 else ""
    return (
        f"<h3>Best checkpoint</h3><p><code>{_safe(pointer.path)}</code>, {text.size(pointer.bytes)}; "
        f"{_safe(pointer.chosen)}; loads: {_safe(pointer.loads)} ({_safe(pointer.why)})</p>{digest}"
    )


def _limits(contents: Contents) -> str:
    lines: Iterable[str] = limits(contents.evidence, contents.answers, contents.rows)
    gone: Sequence[str] = missing(contents.evidence, contents.answers, contents.rows)
    items = [*lines, *(f"not recorded: {line}" for line in gone)]
    return f'<ul class="plain">{"".join(f"<li>{_safe(item)}</li>" for item in items)}</ul>'
