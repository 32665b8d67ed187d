"""What autograd refuses, with the tensor and the operation it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlmon.checks.crash_story import Match, Story, Tellers, always, sizes, told_by, x
from dlmon.state.snapshot import RankFacts
from dlmon_probes import events


def autograd_story(crash: events.Crash, facts: RankFacts) -> Story | None:
    """None where the message is of no known form."""
    match = _IN_PLACE.search(crash.message)
    return _in_place(match, facts) if match else told_by(_TELLERS, crash)


_IN_PLACE = re.compile(
    r"by an inplace operation: \[torch\.(?P<type>[\w.]+) (?P<shape>\[[\d, ]*\])\](?:, which is output \d+ of "
    r"(?P<op>[\w:]+))?,? is at version (?P<now>\d+); expected version (?P<then>\d+)"
)


def _in_place(match: Match, facts: RankFacts) -> Story:
    shape, op = sizes(match["shape"]), (match["op"] or "").removesuffix("Backward0").removesuffix("Backward")
    weight = next(iter(_weights_of(facts, shape)), None)
    if weight and op in ("", "AsStrided", "T", "Transpose", "AccumulateGrad"):
        return Story(
            f"{weight} ({x(shape)}) was changed between the forward and backward() that needs it",
            "An optimizer.step() came in between: do every backward() before the first step(), or run the forward "
            "again after it; detach() what a second network needs no gradient through.",
        )
    op = op.rpartition("::")[2]
    title = f"a {x(shape)} tensor, the output of {op}, was overwritten in place before backward() needed it"
    if op == "CopySlices":
        title = f"a {x(shape)} tensor that backward() needs was written into by an indexed assignment"
        return Story(title, "Not h[…] = value: use torch.where, masked_fill, index_put or torch.stack of the pieces.")
    if not op:
        title = f"a {x(shape)} tensor that backward() needs was overwritten in place"
    return Story(
        title,
        "Make a new tensor after it: y = y + 1 instead of y += 1, relu instead of relu_ or inplace=True. "
        "torch.autograd.set_detect_anomaly(True) prints the line of the forward.",
    )


def _weights_of(facts: RankFacts, shape: list[int]) -> Iterator[str]:
    """Trained parameters of this shape, or of its transpose: linear layers use their weight that way round."""
    for model in facts.models:
        for parameter in model.parameters:
            if len(shape) > 1 and list(parameter.shape) in (shape, shape[::-1]) and parameter.requires_grad:
                yield parameter.name


def _unused(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"autograd.grad is asked for input {match[1]}, which the output does not depend on",
        "allow_unused=True gives None for it; or it was detached, or is not the tensor that went into the model.",
    )


_TELLERS: Tellers = (
    (
        re.compile(r"does not require grad and does not have a grad_fn"),
        always(
            "backward() on a loss that nothing trainable led to",
            "Look for .item(), .detach(), .data, no_grad() or argmax between model and loss, and for frozen "
            "parameters.",
        ),
    ),
    (
        re.compile(r"backward through the graph a second time|saved tensors after they have already been freed"),
        always(
            "backward() went through the same graph twice",
            "Detach what is carried over steps (hidden states, running sums), or add up the losses and go back once; "
            "retain_graph=True only where two losses share one forward.",
        ),
    ),
    (
        re.compile(r"modified by an inplace operation|modified inplace"),
        always(
            "a tensor that backward() needs was overwritten in place",
            "Replace the in-place operation (+=, relu_, indexing on the left) by one that makes a new tensor.",
        ),
    ),
    (
        re.compile(r"grad can be implicitly created only for scalar outputs"),
        always("backward() on a loss that is not a single number", "Reduce it first: loss.mean().backward()."),
    ),
    (
        re.compile(r"leaf Variable that requires grad is being used in an in-place"),
        always(
            "a trainable parameter is changed in place outside of no_grad()",
            "Updates by hand and initialisation go under `with torch.no_grad():`.",
        ),
    ),
    (re.compile(r"Tensor at index (\d+) appears to not have been used"), _unused),
    (
        re.compile(r"Inference tensors cannot"),
        always(
            "a tensor made under inference_mode() reached the training graph",
            "Use torch.no_grad() where it is made, or .clone() it.",
        ),
    ),
    (
        re.compile(r"can't optimize a non-leaf"),
        always(
            "the optimizer was given a tensor that is the result of an operation",
            "Make it a leaf: x = torch.randn(…, device=device).requires_grad_(), with .to() before requires_grad_().",
        ),
    ),
    (
        re.compile(r"on Tensor that requires grad"),
        always("a tensor with a gradient history is turned into NumPy", "Cut it off first: x.detach().cpu().numpy()."),
    ),
    (
        re.compile(r"explicitly by the user"),
        always(
            "a tensor with a gradient history is deep-copied",
            "A module keeps the result of a computation as an attribute: keep .detach() of it, or clear it first.",
        ),
    ),
    (
        re.compile(r"dtype can require gradients"),
        always("requires_grad is set on whole numbers", "Only floating point has gradients: x.float() first."),
    ),
)
