"""What layers give: units that never fire, activations at their ends, outputs that are the same for every input."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from dlmon.checks.facts import Lacking, backward_site, finite, leader, parameters_of
from dlmon.checks.finding import ERROR, WARNING, Finding
from dlmon.checks.registry import TREND, check
from dlmon.checks.samples import History, histories
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events import Where
from dlmon_probes.events_model import Predictions, UnitRow, Units

DEAD = 0.9  # of a layer's units; half of them is usual after a rough start
SAMPLES = 250  # rows of batches over which a unit never fired
LOOKS = 5
DIED_ROWS = 50  # rows of recent looks, by which units that fired before are judged
DIED_LOOKS = 4
DIED_SPAN = 100  # steps that these looks are spread over
START = 20  # steps in which much may still change
SATURATED = 0.9  # of all elements, at each of the last looks
SAME = 1e-6  # deviation between rows by the values' size: equal in float32
SAME_LOOKS = 3
VARIED = 1e-3
EQUAL_STEPS = 5
MOVED = 1e-6  # |Δw|/|w|: the weights do change
SCALE = 1e4  # between the first layers' outputs and the last ones'
WEIGHTED = ("Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d")
PENALTIES = ("AbsBackward0", "SgnBackward0", "NormBackward0", "NormBackward1", "TopkBackward0")  # sparse on purpose


def latest(facts: RankFacts) -> dict[tuple[int, int, str], list[tuple[int, UnitRow]]]:
    """(series, number, operation) → (step, row), oldest first."""
    seen: list[Units] = list(facts.further.get("units", ()))
    if not seen:
        raise Lacking("no activation function was seen in a graph")
    found: dict[tuple[int, int, str], list[tuple[int, UnitRow]]] = {}
    for units in seen:
        for row in units.rows:
            found.setdefault((units.series, row.number, row.op), []).append((units.step, row))
    return found


def layer_site(facts: RankFacts) -> Where | None:
    """The user's forward of the outermost model: a layer's own line is not known."""
    model = next((model for model in facts.models if model.file), None)
    return Where(model.file, model.line, "forward", "") if model else backward_site(facts)


def _finding(
    facts: RankFacts, id: str, severity: str, title: str, advice: str, step: int, **evidence: object
) -> Finding:
    return Finding(
        id=id, severity=severity, title=title, advice=advice, step=step, rank=facts.rank, where=layer_site(facts),
        evidence=evidence,
    )  # fmt: skip


@check("model.dead_units", needs=f"results of ReLUs at {LOOKS} looks, {SAMPLES} rows", explains=("grads.zero", *TREND))
def dead_units(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if any(op in graph.ops for graph in facts.graphs for op in PENALTIES):
        raise Lacking("a penalty on magnitudes: units may be silent on purpose")
    for (series, _, op), rows in latest(facts).items():
        step, row = rows[-1]
        if op != "ReluBackward0" or row.dead is None or row.units < 2 or row.looks < LOOKS:
            continue
        all_dead = row.dead == row.units and row.rows >= SAMPLES // 5
        if step < START and not (all_dead and snapshot.over):
            continue
        if not all_dead and _died(row, step):
            yield _units_died(facts, series, step, row)
        elif all_dead or (row.dead >= DEAD * row.units and row.rows >= SAMPLES):
            yield _finding(
                facts, "model.dead_units", ERROR if all_dead else WARNING,
                f"{row.dead} of {row.units} ReLU units after {row.after or 'a layer'} were zero for all of {row.rows} "
                "samples",
                "They get no gradient any more. Lower the learning rate, use the default initialisation and biases of "
                "0, scale the inputs, or use LeakyReLU or GELU.",
                step, subject=f"{series} {row.after} {row.number}", dead=row.dead, units=row.units, rows=row.rows,
            )  # fmt: skip


def _died(row: UnitRow, step: int) -> bool:
    """Most units are silent now, and most of those once were not."""
    if row.silent is None or row.dead is None or row.recent_since < START:
        return False
    watched = row.recent_rows >= DIED_ROWS and row.recent_looks >= DIED_LOOKS and step - row.recent_since >= DIED_SPAN
    return watched and row.silent >= DEAD * row.units and row.silent - row.dead >= DEAD / 2 * row.units


def _units_died(facts: RankFacts, series: int, step: int, row: UnitRow) -> Finding:
    return _finding(
        facts, "model.dead_units", WARNING,
        f"{row.silent} of {row.units} ReLU units after {row.after or 'a layer'} went silent: none of them fired in "
        f"{row.recent_rows} samples since step {row.recent_since}, though all but {row.dead} did before",
        "They get no gradient any more. Lower the learning rate or warm it up, clip gradients, scale inputs and "
        "targets, or use LeakyReLU or GELU.",
        step, subject=f"{series} {row.after} {row.number}", dead=row.silent, units=row.units, rows=row.recent_rows,
        since=row.recent_since,
    )  # fmt: skip


@check("model.saturated", needs=f"results of tanh and sigmoid at {LOOKS} looks")
def saturated(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for (series, _, op), rows in latest(facts).items():
        step, row = rows[-1]
        shares = finite(r.saturated for _, r in rows[-LOOKS:])
        if op == "ReluBackward0" or row.last or row.gate or len(shares) < LOOKS or min(shares) < SATURATED:
            continue
        name = "tanh" if op.startswith("Tanh") else "sigmoid"
        yield _finding(
            facts, "model.saturated", WARNING,
            f"{shares[-1]:.0%} of the {name} outputs after {row.after or 'a layer'} are at their ends, where the "
            f"derivative is below 1 % of its largest ({LOOKS} of {LOOKS} looks)",
            "Scale the inputs to about −1 … 1, start the weights smaller, or put a normalisation in front.",
            step, subject=f"{series} {row.after} {row.number}", share=shares[-1], looks=row.looks,
        )  # fmt: skip


@check(
    "model.collapse",
    needs=f"predictions of a known loss at {SAME_LOOKS} looks after step {START}",
    explains=("grads.zero", "grads.vanishing", *TREND),
)
def collapse(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    seen: list[Predictions] = [p for p in facts.further.get("predictions", ()) if p.rows >= 4 and p.step >= START]
    for series in dict.fromkeys(p.series for p in seen):
        last = [p for p in seen if p.series == series and p.spread is not None][-SAME_LOOKS:]
        if len(last) < SAME_LOOKS or len(facts.series) > 1:
            continue
        differ = all((p.target_spread or 0.0) > VARIED for p in last)
        if differ and all((p.spread or 0.0) < SAME for p in last) and not _frozen(facts):
            yield _finding(
                facts, "model.collapse", WARNING,
                f"the model gives the same output for every input, at {SAME_LOOKS} of {SAME_LOOKS} looks; "
                f"the targets differ",
                "Dead or saturated layers, a weight decay that is too strong, or an input that gets lost on the way.",
                last[0].step, subject=str(series), spread=last[-1].spread, steps=[p.step for p in last],
            )  # fmt: skip
    if not seen:
        raise Lacking(f"no predictions after step {START} yet")


def _frozen(facts: RankFacts) -> bool:
    return not any((update or 0.0) > 0 for sample in facts.gradients for update in sample.update if update is not None)


@check("model.symmetric_init", needs=f"the rows of weights at the start and after {EQUAL_STEPS} steps", explains=TREND)
def symmetric_init(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    looks = facts.further.get("equal_rows", ())
    later = [look for look in looks if look.step >= EQUAL_STEPS]
    if not later:
        raise Lacking(f"the weights were not compared after {EQUAL_STEPS} steps yet")
    equal = set(looks[0].p) & set(later[0].p)  # later on rounding pulls equal rows apart
    named, found = parameters_of(facts), histories(facts)
    moved = [
        named[p] for p in sorted(equal)
        if p in named and p in found and any((update or 0.0) > MOVED for update in found[p].update)
    ]  # fmt: skip
    still = [named[p] for p in sorted(equal) if p in named and named[p] not in moved and _zeroed(found, p)]
    if moved or len(still) > 1:
        yield _same_rows(facts, moved or still, later[0].step)


def _zeroed(found: dict[int, History], p: int) -> bool:
    """All weights zero and never a gradient: layers that hold each other at zero."""
    history = found.get(p)
    if history is None or len(history.norm) < EQUAL_STEPS:
        return False
    return all(w == 0 for w in history.weight) and all(n == 0 for n in history.norm)


def _same_rows(facts: RankFacts, parameters: list[events.Parameter], step: int) -> Finding:
    names = [parameter.name for parameter in parameters]
    first = parameters[0]
    return _finding(
        facts, "model.symmetric_init", ERROR,
        f"all {first.shape[0]} rows of {names[0]} are equal, at the start and at step {step}: its units learn the same"
        + (f" (also {', '.join(names[1:4])})" if len(names) > 1 else ""),
        "Start weights at random (the layers' default, or nn.init.kaiming_uniform_); "
        "only biases and norms may be constant.",
        0, subject=names[0], parameters=names[:20], compared_at=step,
    )  # fmt: skip


@check("model.init_scale", needs="the outputs of three layers in the first forward", explains=("loss.initial_value",))
def init_scale(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    first = facts.first_activations
    if first is None or first.step > 0:
        raise Lacking("the first forward was not watched")
    rows = [
        row for row in first.modules if row.cls in WEIGHTED and row.output is not None and row.output.std is not None
    ]
    hidden = [(row.module, row.output.std) for row in rows[:-1] if row.output and row.output.std]
    if len(hidden) < 3:
        raise Lacking("fewer than three layers")
    third = max(1, len(hidden) // 3)
    start, end = median(s for _, s in hidden[:third]), median(s for _, s in hidden[-third:])
    if max(start / end, end / start) > SCALE:
        word = "shrink" if end < start else "grow"
        yield _finding(
            facts, "model.init_scale", WARNING,
            f"activations {word} over depth before any step: deviation {start:.2g} in {hidden[0][0]}, {end:.2g} in "
            f"{hidden[-1][0]}",
            "Start weights with a gain that keeps the scale (nn.init.kaiming_normal_ for ReLU, xavier for tanh), or "
            "put normalisation between the layers.",
            0, subject="", first=start, last=end, layers=dict(hidden[-12:]),
        )  # fmt: skip
