"""In words: where values that are not finite came from, what was well before, and since when gradients grew."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from dlmon.checks.facts import listed, well_formed
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events
from dlmon_probes.events_model import Origin

GREW = 10.0  # × the median of the first total gradient norms
MOST_GOOD = 12  # modules told of the last good forward
LARGE = 1e4  # squared it is beyond float16 (65,504); what is this large where float32 overflows has run away long ago
_OVERFLOWN = (
    "Its inputs ran away before: lower the learning rate, clip gradients (clip_grad_norm_), and normalise inputs and "
    "targets; under float16 keep squares and sums in float32."
)
_ADVICE = {
    "log": "Keep its argument above 0: torch.log(x.clamp_min(1e-8)), or log_softmax instead of log(softmax).",
    "div": "Keep the divisor away from 0: x / (y + 1e-8), or clamp it.",
    "sqrt": "Keep its argument above 0: torch.sqrt(x + 1e-8); the derivative at 0 is infinite.",
    "rsqrt": "Keep its argument above 0: torch.rsqrt(x + 1e-8).",
    "pow": "A power below 1 has an infinite derivative at 0 and none below: add 1e-8, or clamp.",
    "exp": "Bound its argument (clamp, or subtract the maximum): exp(89) is infinite in float32, exp(12) in float16.",
    "acos": "Clamp its argument to −1 + 1e-6 … 1 − 1e-6.",
}


LATE = 1  # steps by which a device tells late that a loss is not finite


def origins_of(facts: RankFacts) -> Sequence[Origin]:
    """All that were read, oldest first."""
    return well_formed(facts).further.get("origin", ())


def origin_at(facts: RankFacts, step: int | None, hows: tuple[str, ...]) -> Origin | None:
    """What was read at a step, or right after it; the first of all where step is None.

    Weights that are not finite after it are a consequence, and so is what later forwards make of them.
    """
    found = [o for o in origins_of(facts) if o.how in hows]
    if step is None:
        return found[0] if found else None
    near = [o for o in found if step <= o.step <= step + (LATE if o.how != "weights" else 0)]
    return near[0] if near else None


def operation(op: str) -> str:
    """ "log" for LogBackward0."""
    name = re.sub(r"Backward\d*$", "", op)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def place(origin: Origin) -> str:
    """ "log after fc2", "convolution in features.0"."""
    name = operation(origin.op)
    if origin.layer:
        return f"{name} in {origin.layer}"
    return f"{name} after {listed(origin.after)}" if origin.after else name


def sentence(origin: Origin | None) -> str:
    """What to add to a title; "" where nothing is known."""
    if origin is None or origin.how == "unknown":
        return ""
    if origin.how == "weights":
        names = [weight.path for weight in origin.weights]
        count = max(origin.bad, len(names))
        return f"; {count} parameters were not finite before this forward: {listed(names)}"
    if origin.how == "input":
        share = max((t.facts.nonfinite or 0.0 for t in origin.tensors), default=0.0)
        came = f"; it came in with a tensor from outside the model, into {place(origin)} ({share:.2g} of it not finite)"
        return came + samples(origin)
    if origin.how == "gradient":
        return f": {place(origin)} was exactly 0 at step {origin.step}, where its derivative is infinite"
    return f"; it began at {place(origin)}{_because(origin)}"


def samples(origin: Origin) -> str:
    """`: samples 17, 203 of the data set`, where the batch is to blame and its indices are known."""
    if not origin.broken or not origin.indices:
        return ""
    word = "sample" if len(origin.indices) == 1 else "samples"
    return f": {word} {listed([str(index) for index in origin.indices], 5)} of the data set"


def _because(origin: Origin) -> str:
    tensors = {tensor.path: tensor.facts for tensor in origin.tensors}
    name = operation(origin.op)
    x = tensors.get("self") or tensors.get("input") or tensors.get("mat1")
    if name == "div" and "other" in tensors:
        return f", which divided by {_range(tensors['other'])}"
    if name.startswith("log") and x is not None and x.min is not None and x.min <= 0:
        return f", which got values down to {x.min:.3g}"
    if x is not None and x.min is not None:
        return f", whose input was {_range(x)}"
    return ""


def _range(facts: events.TensorFacts) -> str:
    if facts.min is None or facts.max is None:
        return "not finite"
    return f"{facts.min:.3g}" if facts.min == facts.max else f"{facts.min:.3g} to {facts.max:.3g}"


def advice(origin: Origin | None, otherwise: str) -> str:
    if origin is None:
        return otherwise
    if origin.how == "weights":
        risky = ", ".join(f"{operation(op)} ×{count}" for op, count in sorted(origin.risky.items()))
        looked = f" Operations of this model whose derivative can be infinite: {risky}." if risky else ""
        return f"The update before wrote them: gradients were not finite though the loss was.{looked}"
    if origin.how == "input":
        return "Check the data (torch.isfinite(x).all()) and constants such as means and weights that are mixed in."
    return _OVERFLOWN if _overflown(origin) else _ADVICE.get(operation(origin.op), otherwise)


def _overflown(origin: Origin) -> bool:
    """Whether the inputs of a product, power or squared error were that large."""
    ends = [end for t in origin.tensors for end in (t.facts.min, t.facts.max) if end is not None]
    return operation(origin.op) in ("pow", "mul", "mse_loss", "sub") and any(abs(end) > LARGE for end in ends)


def evidence(origin: Origin | None, facts: RankFacts, step: int) -> dict[str, Any]:
    """The origin, the modules' outputs while all was well, and since when gradients grew."""
    told: dict[str, Any] = {"last_good": last_good(facts, step), "gradients_grew_since": grew_since(facts, step)}
    if origin is not None:
        if origin.indices:
            told["bad_samples" if origin.broken else "batch_samples"] = list(origin.indices)
        told["origin"] = {
            "how": origin.how,
            "operation": operation(origin.op),
            "layer": origin.layer,
            "after": list(origin.after),
            "tensors": {tensor.path: _plain(tensor.facts) for tensor in origin.tensors},
            "weights": {weight.path: _plain(weight.facts) for weight in origin.weights},
        }
    return told


def _plain(facts: events.TensorFacts) -> dict[str, Any]:
    return {"shape": facts.shape, "min": facts.min, "max": facts.max, "nonfinite": facts.nonfinite}


def last_good(facts: RankFacts, step: int) -> dict[str, list[float]]:
    """Module → [smallest, largest] output of the last watched forward in which all was finite."""
    for watched in (facts.last_activations, facts.first_activations):
        if watched is None or watched.step > step:
            continue
        rows = [(row.module, row.output) for row in watched.modules if row.output is not None]
        if rows and all(not output.nonfinite for _, output in rows):
            known = [(m, o.min, o.max) for m, o in rows if o.min is not None and o.max is not None]
            return {module: [low, high] for module, low, high in known[-MOST_GOOD:] if low is not None}
    return {}


def grew_since(facts: RankFacts, step: int) -> int | None:
    """The first sampled step before `step` from which on the total gradient norm stayed far above its start; None if it
    did not."""
    rows = [(g.step, g.total) for g in facts.gradients if g.total is not None and g.step < step]
    finite = [total for _, total in rows if math.isfinite(total)]
    if len(finite) < 4:
        return None
    start = sorted(finite[:3])[1]
    since = None
    for at, total in rows:
        large = not math.isfinite(total) or total > GREW * start > 0
        since = (at if since is None else since) if large else None
    return since
