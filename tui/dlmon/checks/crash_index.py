"""Indices beyond what they index: of embeddings, labels, data sets; on a GPU told from the batch on the host."""

from __future__ import annotations

import math
import re

from dlmon.checks.crash_story import Match, Story, Tellers, always, told_by
from dlmon.checks.frames import user_frames
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events


def index_story(crash: events.Crash, facts: RankFacts) -> Story | None:
    """None where the message is of no known form."""
    if "device-side assert" in crash.message:
        return _device_assert(crash, facts)
    return _embedding(crash) or told_by(_TELLERS, crash)


def _embedding(crash: events.Crash) -> Story | None:
    """An index too large for an embedding, or negative, where its table and the indices are known."""
    module = crash.module
    if module is None or "Embedding" not in module.cls or not module.parameters or not module.inputs:
        return None
    shape, facts = module.parameters[0].facts.shape, module.inputs[0].facts
    if not shape or facts.max is None or not math.isfinite(facts.max):
        return None
    rows, name = shape[0], module.name or module.cls
    bad = facts.min if facts.min is not None and facts.min < 0 <= rows and facts.max < rows else facts.max
    title = f"index {bad:.0f} in {name}, which has {rows} rows (0 … {rows - 1})"
    if bad < 0:
        return Story(title, "Negative ids are usually padding: map them to a row of their own (padding_idx).")
    if bad == rows:
        return Story(title, f"The ids go up to {rows} themselves (they start at 1, or a padding or unknown id was "
                     f"added): nn.Embedding({rows + 1}, …).")  # fmt: skip
    return Story(
        title,
        f"Make the table as large as the vocabulary (nn.Embedding({bad + 1:.0f}, …)), or map rare ids to an unknown "
        "id; positions beyond the longest sequence must be cut.",
    )


def _device_assert(crash: events.Crash, facts: RankFacts) -> Story:
    """CUDA tells nothing but that some kernel failed: the last batches on the host and the tables are compared."""
    module = crash.module
    labels = _labels(crash, facts)
    if labels is not None:
        return labels
    tables = {p.name: p.shape[0] for model in facts.models for p in model.parameters if "emb" in p.name.lower()
              and len(p.shape) == 2}  # fmt: skip
    for batch in reversed(facts.further.get("last_batch", ())):
        for named in batch.tensors:
            low, high = named.facts.min, named.facts.max
            if not named.facts.integers or low is None or high is None:
                continue
            table = min(tables.items(), key=lambda row: row[1], default=None)
            if table is not None and (high >= table[1] or low < 0) and len(named.facts.shape) > 1:
                return Story(
                    f"{named.path or 'the batch'} goes from {low:.0f} to {high:.0f}, {table[0]} has {table[1]} rows",
                    f"The GPU stopped at an index outside a table: nn.Embedding({high + 1:.0f}, …), or other ids.",
                )
    where = f" in {module.name or module.cls}" if module is not None else ""
    return Story(
        f"the GPU stopped at an index out of range{where}: the line it names may be a later one",
        "Usually labels outside 0 … classes − 1 or ids beyond an embedding. Run once on the CPU, or with "
        "CUDA_LAUNCH_BLOCKING=1, to see the index.",
    )


def _labels(crash: events.Crash, facts: RankFacts) -> Story | None:
    """A label of the batch that failed, outside the classes that the loss had in the steps before."""
    classes = max((loss.classes or 0 for graph in facts.graphs for loss in graph.losses), default=0)
    ignored = {loss.ignore_index for graph in facts.graphs for loss in graph.losses}
    batches = [*facts.further.get("last_batch", ()), *(b for b in facts.batches if b.step == crash.step)]
    for named in (named for batch in batches for named in batch.tensors):
        low, high = named.facts.min, named.facts.max
        if not classes or low is None or high is None or not named.facts.integers or len(named.facts.shape) != 1:
            continue
        if high >= classes and int(high) not in ignored:
            bad = high
        elif low < 0 and int(low) not in ignored:
            bad = low
        else:
            continue
        return Story(
            f"label {bad:.0f} in {named.path or 'the batch'} is outside the {classes} classes (0 … {classes - 1})",
            "The GPU says only that something failed. Labels must be 0 … classes − 1: subtract 1 if they start at 1, "
            "make the last layer wider, or set ignore_index.",
        )
    return None


def _dimension(match: Match, crash: events.Crash) -> Story:
    index, dim, size = match[1], match[2], match[3]
    frame = next(user_frames(crash), None)
    text = frame.where.text if frame else ""
    at = f" in `{text[:60]}`" if text else ""
    return Story(
        f"index {index} of a dimension that has {size} (0 … {int(size) - 1}){at}",
        f"Dimension {dim} is shorter than the line expects: compare with its size, given below.",
    )


def _bag(match: Match, crash: events.Crash) -> Story:
    name = crash.module.name if crash.module else "the embedding"
    return Story(f"index {match[1]} in {name}, which has {match[2]} rows", f"nn.EmbeddingBag({int(match[1]) + 1}, …).")


def _target(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"label {match[1]} is outside the classes that the model has",
        "Labels must be 0 … classes − 1: subtract 1 if they start at 1, or make the last layer wider.",
    )


_TELLERS: Tellers = (
    (re.compile(r"Target (-?\d+) is out of bounds"), _target),
    (re.compile(r"index (-?\d+) is out of bounds for (?:dimension|axis) (\d+) with size (\d+)"), _dimension),
    (re.compile(r"takes value (-?\d+) which is not in the valid range \[0, (\d+)\)"), _bag),
    (
        re.compile(r"smaller than num_classes"),
        always("one_hot gets a class beyond num_classes", "num_classes = labels.max() + 1, over the whole data set."),
    ),
)
