"""What reaches the first layer: its scale, its type, the order of its dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlmon.checks.data_facts import in_repeated_stage
from dlmon.checks.facts import Lacking, backward_site, leader
from dlmon.checks.finding import ERROR, HINT, WARNING, Finding
from dlmon.checks.frames import user_line
from dlmon.checks.registry import check
from dlmon.state.snapshot import RankFacts, RunSnapshot
from dlmon_probes import events
from dlmon_probes.events_data import FirstInput

LOOKS = 2  # forwards that must agree
BYTES = 255.0
BYTES_SPREAD = 30.0  # whole numbers 0 … 255 with less are counts or categories rather than pixels
GROSS = 1_000.0  # |mean| or spread: beyond what an untrained layer's weights can follow at common learning rates
OFFSET = 20.0  # × the spread: what tells samples apart is a twentieth of what all have in common
LEAST_OFFSET = 10.0  # |mean|: a learning rate sees the size of the input, not only its relative spread
NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "SyncBatchNorm")
NORM_WITHIN = 3  # modules: Conv, (Dropout,) BatchNorm: the scale of the input is divided out again
SCALED = ("Linear", "Conv", "Lazy", "RNN", "LSTM", "GRU", "Bilinear")
SEQUENCE = ("RNN", "LSTM", "GRU", "MultiheadAttention")


def first_inputs(facts: RankFacts) -> list[FirstInput]:
    found = list(facts.further.get("first_input", ()))
    if len(found) < LOOKS:
        raise Lacking("fewer than 2 forwards of the first layer were looked at")
    return found


@check("data.range", needs="what reaches the first layer in 2 forwards", explains=("loss.initial_value",))
def input_range(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    if in_repeated_stage(facts):
        raise Lacking("this stage gives batches of its own")
    found = [one for one in first_inputs(facts) if _scale_matters(one)]
    if not found or len({one.module for one in found}) > 1:
        return
    for judge in (_pixels, _gross, _zero):
        told = [judge(one) for one in found]
        if all(told):
            severity, title, advice = told[0] or ("", "", "")
            yield _range(facts, found, severity, title, advice)
            return


def _scale_matters(one: FirstInput) -> bool:
    return one.cls.startswith(SCALED) and not any(layer.startswith(NORMS) for layer in one.layers[:NORM_WITHIN])


Told = tuple[str, str, str]


def _pixels(one: FirstInput) -> Told | None:
    low, high, spread = one.facts.min, one.facts.max, one.facts.std
    if low is None or high is None or spread is None or not one.facts.integers:
        return None
    if not (low >= 0 and BYTES / 2 < high <= BYTES and spread > BYTES_SPREAD):
        return None
    return (
        WARNING,
        f"{one.module or one.cls} gets inputs from {low:.0f} to {high:.0f} (mean {one.facts.mean or 0:.0f}): "
        "pixels that were not scaled",
        "Divide by 255 and subtract the mean, or use the transforms' ToTensor and Normalize.",
    )


def _gross(one: FirstInput) -> Told | None:
    mean, spread = one.facts.mean, one.facts.std
    if mean is None or spread is None or one.facts.nonfinite:
        return None
    large = max(abs(mean), spread) > GROSS
    columns = [(abs(m), s) for m, s in zip(one.mean, one.std, strict=False) if m is not None and s is not None]
    far = sum(m > LEAST_OFFSET and m > OFFSET * s > 0 for m, s in columns)
    if not large and far * 2 <= len(columns):
        return None
    what = f"mean {mean:.3g}, spread {spread:.3g}"
    if not large:
        what += f"; {far} of {len(columns)} features lie {OFFSET:.0f} × their spread away from 0"
    return (
        WARNING if large else HINT,
        f"{one.module or one.cls} gets inputs that were not standardised ({what})",
        "Subtract each feature's mean and divide by its spread, both of the training data.",
    )


def _zero(one: FirstInput) -> Told | None:
    if one.facts.min != 0.0 or one.facts.max != 0.0 or one.cls.startswith(("RNN", "LSTM", "GRU")):
        return None
    return (
        WARNING,
        f"{one.module or one.cls} gets nothing but zeros: the output cannot depend on the data",
        "Look at how the data are read and scaled (an integer division, a wrong column, an empty buffer).",
    )


def _range(facts: RankFacts, found: Sequence[FirstInput], severity: str, title: str, advice: str) -> Finding:
    one = found[0]
    return Finding(
        id="data.range",
        severity=severity,
        title=title,
        advice=advice,
        step=one.step,
        rank=facts.rank,
        where=_module_site(facts) or backward_site(facts),
        evidence={
            "subject": one.module,
            "layer": one.cls,
            "min": one.facts.min,
            "max": one.facts.max,
            "mean": one.facts.mean,
            "std": one.facts.std,
            "forwards": len(found),
        },
    )


def _module_site(facts: RankFacts) -> events.Where | None:
    """Where the data come from: the training loader's line, if there is one."""
    trained = {rows.loader for rows in facts.further.get("loader_rows", ()) if rows.trained}
    return next((loader.where for number, loader in facts.loaders.items() if number in trained and loader.where), None)


@check(
    "data.shape_layout",
    needs="the input of a recurrent or attention layer and the size of the batches",
    explains=("crash.shape",),
)
def shape_layout(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    for one in first_inputs(facts):
        if not one.cls.startswith(SEQUENCE) or one.batch_first is not False or len(one.facts.shape) != 3:
            continue
        first, second = one.facts.shape[:2]
        sizes = {loader.batch_size for loader in facts.loaders.values()}
        if one.rows == first != second and first in sizes and second not in sizes:
            yield Finding(
                id="data.shape_layout",
                severity=WARNING,
                title=(
                    f"{one.cls} {one.module} takes the batch for the time: its input is {first}×{second}×"
                    f"{one.facts.shape[2]}, the batch has {first} samples, and batch_first is False"
                ),
                advice=f"Make it {one.cls}(…, batch_first=True), or transpose the input to time × batch × features.",
                step=one.step,
                rank=facts.rank,
                where=backward_site(facts),
                evidence={"subject": one.module, "shape": list(one.facts.shape), "rows": one.rows},
            )
            return


TYPE_MISMATCH = ("expected scalar type", "must have the same dtype", "Found dtype", "should be the same", "same dtype")


@check("data.dtype", needs="a crash over types, and the batch", explains=("crash.dtype",))
def dtype(snapshot: RunSnapshot) -> Iterator[Finding]:
    facts = leader(snapshot)
    crash = facts.crash
    if crash is None:
        raise Lacking("nothing stopped over a type")
    if not any(text in crash.message for text in TYPE_MISMATCH):
        return
    weights = {parameter.dtype for model in facts.models for parameter in model.parameters} or {
        named.facts.dtype for named in (crash.module.parameters if crash.module else ())
    }
    for batch in facts.batches:
        for i, named in enumerate(batch.tensors):
            why = _wrong_type(i, named, weights, crash)
            if why is not None:
                loader = facts.loaders.get(batch.loader)
                yield Finding(
                    id="data.dtype",
                    severity=ERROR,
                    title=f"the batch's {named.path or 'tensor'} is {named.facts.dtype}: {why[0]}",
                    advice=why[1],
                    step=crash.step,
                    rank=facts.rank,
                    where=(loader.where if loader else None) or user_line(crash),
                    evidence={
                        "subject": named.path,
                        "dtype": named.facts.dtype,
                        "shape": list(named.facts.shape),
                        "weights": sorted(weights),
                        "message": crash.message[:200],
                    },
                )
                return


def _wrong_type(
    place: int, named: events.NamedTensor, weights: set[str], crash: events.Crash
) -> tuple[str, str] | None:
    dtype, message = named.facts.dtype, crash.message
    if dtype == "float64" and "float64" not in weights and ("ouble" in message):
        return (
            "NumPy's default, the model's weights are float32",
            "Convert where the data are made: .float(), or astype(np.float32).",
        )
    if (
        place == 0
        and dtype in ("uint8", "int64", "int32")
        and ("Byte" in message or "Long" in message or "Int" in message)
    ):
        return (
            "whole numbers, the model's weights are floats",
            "Convert and scale where the data are made: .float() / 255.",
        )
    if place > 0 and dtype.startswith("float") and "Long" in message and "expected scalar type Long" in message:
        return "class labels have to be whole numbers", "Make them int64 where the data are made: .long()."
    if place > 0 and dtype.startswith("int") and ("Found dtype Long" in message or "Found dtype Int" in message):
        return "a regression's targets have to be floats", "Make them float32 where the data are made: .float()."
    return None
