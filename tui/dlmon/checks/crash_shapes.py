"""Shape mismatches in words: what the layer expects, what it gets, what to change."""

from __future__ import annotations

import math
import re

from dlmon.checks.crash_layers import LAYERS
from dlmon.checks.crash_story import Match, Story, Tellers, told_by
from dlmon.checks.crash_story import layer_of as _layer
from dlmon.checks.crash_story import sizes as _sizes
from dlmon.checks.crash_story import x as _x
from dlmon_probes import events


def shape_story(crash: events.Crash) -> Story | None:
    """None where the message is of no known form."""
    return told_by(_TELLERS, crash) or told_by(LAYERS, crash)


def _input_shape(crash: events.Crash) -> list[int] | None:
    module = crash.module
    return module.inputs[0].facts.shape if module and module.inputs else None


def _multiplied(match: Match, crash: events.Crash) -> Story:
    rows, got, expected, out = (int(text) for text in match.groups())
    module = crash.module
    if module is None or "Linear" not in module.cls:
        return Story(
            f"a {rows}×{got} matrix cannot be multiplied by a {expected}×{out} one",
            f"The inner sizes must agree: {got} against {expected}. Transpose or reshape one of them.",
        )
    title = f"{_layer(crash)} expects {expected} features, gets {got}"
    shape = _input_shape(crash)
    if shape and len(shape) > 2 and math.prod(shape[1:]) == expected:
        return Story(f"{title}: its input {_x(shape)} is not flattened", "Flatten first: x = x.flatten(1).")
    if shape and len(shape) > 2 and shape[-1] == got and shape[1] == expected:
        return Story(title, f"The features are in dimension 1 of {_x(shape)}: move them last with x.transpose(1, -1).")
    parts = _factors(crash, got)
    return Story(
        f"{title}{f' = {_x(parts)}' if parts else ''}: nn.Linear({got}, {out})",
        f"Make it nn.Linear({got}, {out}), or change what comes before it.",
    )


def _factors(crash: events.Crash, features: int) -> list[int]:
    """The dimensions that were flattened into so many features, if a tensor in the user's frames still has them."""
    for frame in reversed(crash.frames):
        for named in frame.tensors if frame.user else ():
            shape = named.facts.shape
            if len(shape) > 2 and math.prod(shape[1:]) == features and not named.path.startswith("self."):
                return list(shape[1:])
    return []


def _channels(match: Match, crash: events.Crash) -> Story:
    weight, shape = _sizes(match["weight"]), _sizes(match["input"])
    expected, got = int(match["expected"]), int(match["got"])
    title = f"{_layer(crash)} expects {expected} channels, gets {got} (input {_x(shape)})"
    if shape and shape[-1] == expected and len(shape) in (3, 4, 5):
        order = ", ".join(map(str, (0, len(shape) - 1, *range(1, len(shape) - 1))))
        return Story(title, f"The channels are last in the data: x = x.permute({order}).")
    if len(shape) == 3 and shape[0] == expected:
        return Story(title, "The batch dimension is missing: x = x.unsqueeze(0).")
    out = f"{weight[0]}" if weight else "…"
    kind = crash.module.cls if crash.module else "Conv2d"
    return Story(title, f"Make it nn.{kind}({got}, {out}, …), or give it {expected}-channel data.")


def _tensors_a_b(match: Match, _crash: events.Crash) -> Story:
    a, b, dim = match.groups()
    return Story(
        f"two tensors do not fit: {a} against {b} in dimension {dim}",
        "Print or look at both shapes below; one of them needs a reshape, a transpose or another slice.",
    )


def _batches(match: Match, _crash: events.Crash) -> Story:
    got, target = int(match[1]), int(match[2])
    title = f"predictions for {got} samples, targets for {target}"
    if got and target and (got % target == 0 or target % got == 0):
        return Story(title, "Another dimension was folded into the batch: look at view/reshape before the loss.")
    return Story(title, "Compute both from the same batch; look at reshape, squeeze and slicing before the loss.")


def _view(match: Match, _crash: events.Crash) -> Story:
    wanted, size = _sizes(match[1]), int(match[2])
    fixed = math.prod(n for n in wanted if n > 0)
    if -1 in wanted and fixed:
        detail = f"{size} elements are not a multiple of {fixed}"
    else:
        detail = f"{size} elements are not {fixed}"
    return Story(
        f"view to {_x(wanted)} is impossible: {detail}",
        "Use x.flatten(1) instead of fixed numbers, and adapt the in_features of the layer that follows.",
    )


def _norm(match: Match, crash: events.Crash) -> Story:
    got, expected = match[1], match[2]  # torch words it from the view of the running mean
    return Story(
        f"{_layer(crash)} normalises {expected} features, gets {got}",
        f"Set its num_features to {got}, the channels of the layer before it.",
    )


def _last_dimension(match: Match, crash: events.Crash) -> Story:
    expected, got = _sizes(match[1]), _sizes(match[2])
    return Story(
        f"{_layer(crash)} normalises the last dimensions {_x(expected)}, gets {_x(got)}",
        "Set normalized_shape to the size of the last dimensions of its input.",
    )


def _target_size(match: Match, _crash: events.Crash) -> Story:
    target, got = _sizes(match[1]), _sizes(match[2])
    return Story(
        f"predictions are {_x(got)}, targets {_x(target)}",
        "Give both the same shape: target.unsqueeze(1) (and .float()), or prediction.squeeze(1).",
    )


def _concatenated(match: Match, _crash: events.Crash) -> Story:
    dim, expected, got = match.groups()
    return Story(
        f"tensors put together along dimension {dim} differ elsewhere: {expected} against {got}",
        "Odd sizes are halved unevenly on the way down: pad or crop before torch.cat, or use sizes that halve evenly.",
    )


def _stacked(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"samples of one batch have different shapes: {match[1]} and {match[2]}",
        "Resize or pad them in the data set, or give the DataLoader a collate_fn.",
    )


def _recurrent(match: Match, crash: events.Crash) -> Story:
    expected, got = match.groups()
    return Story(
        f"{_layer(crash)} expects {expected} features per step, gets {got}",
        f"Set its input_size to {got}; features belong in the last dimension.",
    )


def _multi_target(_match: Match, _crash: events.Crash) -> Story:
    return Story(
        "cross_entropy gets targets with more than one dimension",
        "Give class indices of shape (N,): target.squeeze(1), or target.argmax(1) for one-hot targets.",
    )


def _checkpoint(match: Match, _crash: events.Crash) -> Story:
    name, saved, current = match.groups()
    return Story(
        f"the checkpoint's {name} is {_x(_sizes(saved))}, the model's {_x(_sizes(current))}",
        "Build the model with the settings that the checkpoint was saved with, or leave this layer out of it.",
    )


_TELLERS: Tellers = (
    (re.compile(r"cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)"), _multiplied),
    (
        re.compile(
            r"weight of size \[(?P<weight>[\d, ]+)\], expected input\s?\[(?P<input>[\d, ]+)\] to have "
            r"(?P<expected>\d+) channels, but got (?P<got>\d+)"
        ),
        _channels,
    ),
    (
        re.compile(r"mismatch for ([\w.]+): copying a param with shape torch\.Size\((.*?)\).*?torch\.Size\((.*?)\)"),
        _checkpoint,
    ),
    (
        re.compile(r"tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)"),
        _tensors_a_b,
    ),
    (re.compile(r"batch_size \((\d+)\) to match target batch_size \((\d+)\)"), _batches),
    (re.compile(r"shape '(\[[-\d, ]*\])' is invalid for input of size (\d+)"), _view),
    (re.compile(r"running_mean should contain (\d+) elements not (\d+)"), _norm),
    (re.compile(r"expected input with shape (\[[*\d, ]+\]), but got input of size\s?(\[[\d, ]+\])"), _last_dimension),
    (re.compile(r"target size \((.*?)\) that is different to the input size \((.*?)\)(?: |\.|$)"), _target_size),
    (re.compile(r"except in dimension (\d+)\. Expected size (\d+) but got size (\d+)"), _concatenated),
    (re.compile(r"equal size, but got (\[[\d, ]*\]) at entry \d+ and (\[[\d, ]*\])"), _stacked),
    (re.compile(r"must be equal to input_size\. Expected (\d+), got (\d+)"), _recurrent),
    (re.compile(r"multi-target not supported"), _multi_target),
)  # fmt: skip
