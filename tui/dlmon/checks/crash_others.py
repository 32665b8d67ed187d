"""Well-known mistakes that are no family of their own: a forgotten return, an empty data set, NaN in a distribution."""

from __future__ import annotations

import re

from dlmon.checks.crash_story import Match, Story, Tellers, always, told_by
from dlmon.checks.frames import user_frames
from dlmon_probes import events


def other_story(crash: events.Crash) -> Story | None:
    """Well-known mistakes that are no family of their own."""
    return told_by(_OTHERS, crash)


def _none(match: Match, crash: events.Crash) -> Story:
    attribute = match[1]
    if attribute == "grad" or (attribute in ("data", "zero_", "norm") and ".grad" in _text(crash)):
        return Story(
            f"a gradient is None and .{attribute} of it is asked for",
            "No backward() has reached this parameter yet: it is not used in the loss, or frozen.",
        )
    return Story(
        f".{attribute} is asked of None",
        "A function before it returned nothing: does forward() (or the loss, or the transform) end with a return?",
    )


def _text(crash: events.Crash) -> str:
    frame = next(user_frames(crash), None)
    return frame.where.text if frame else ""


def _argument(match: Match, crash: events.Crash) -> Story:
    function, got = match[1], match[2]
    if got == "NoneType":
        return Story(
            f"{function} is given None in place of a tensor",
            "The module before it returned nothing: does its forward() end with a return?",
        )
    where = f"in {crash.module.name or crash.module.cls} " if crash.module else ""
    return Story(
        f"{function} {where}is given a {got} in place of a tensor",
        "Recurrent and attention layers return (output, state): take the first, out, _ = self.rnn(x). Models of "
        "Hugging Face return an object: use .logits." if got == "tuple" else f"Convert the {got} to a tensor first.",
    )  # fmt: skip


def _distribution(_match: Match, _crash: events.Crash) -> Story:
    return Story(
        "a distribution is given parameters that are NaN or out of range",
        "The network diverged before: look at the loss and gradient norms of the steps before; softplus or exp for "
        "scales, and clamp them.",
    )


_OTHERS: Tellers = (
    (re.compile(r"'NoneType' object has no attribute '(\w+)'"), _none),
    (re.compile(r"^(\w+)\(\): argument '\w+'.*? must be Tensor, not (\w+)"), _argument),
    (re.compile(r"found invalid values"), _distribution),
    (re.compile(r"missing the required \"forward\" function"), always(
        "a module has no forward()", "Is it indented into the class, and spelled `forward`?")),
    (re.compile(r"before Module\.__init__\(\) call"), always(
        "layers are assigned before nn.Module is set up", "super().__init__() comes first in __init__.")),
    (re.compile(r"empty parameter list"), always(
        "the optimizer is given no parameters",
        "model.parameters() is empty: layers in a plain list need nn.ModuleList, or the generator was used up.")),
    (re.compile(r"params argument given to the optimizer should be"), always(
        "the optimizer is given one tensor in place of a list", "Write [tensor], or model.parameters().")),
    (re.compile(r"num_samples should be a positive integer"), always(
        "the data set is empty", "Check the path and the pattern of the files: its length is 0.")),
    (re.compile(r"Sum of input lengths does not equal"), always(
        "random_split is given lengths that do not add up to the data set",
        "Give shares: random_split(dataset, [0.8, 0.2]), or make the last one len(dataset) - the others.")),
    (re.compile(r"default_collate: batch must contain"), always(
        "a sample holds something that cannot be put into a batch (None, an image object, a string array)",
        "Return tensors or numbers from __getitem__: transforms.ToTensor(), or a collate_fn that leaves None out.")),
    (re.compile(r"Size mismatch between tensors"), always(
        "TensorDataset is given tensors of different lengths", "Inputs and targets need the same first dimension.")),
    (re.compile(r"strides in the given numpy array is negative|stride in the given numpy array is negative"), always(
        "a flipped NumPy array cannot become a tensor", "array.copy() after [::-1] or np.flip.")),
    (re.compile(r"array must be sorted in decreasing order"), always(
        "sequences are packed that are not sorted by length", "pack_padded_sequence(…, enforce_sorted=False).")),
    (re.compile(r"Length of all samples has to be greater than 0"), always(
        "a sequence of length 0 is packed", "Leave empty samples out, or clamp lengths to 1.")),
    (re.compile(r"probability tensor contains either"), always(
        "sampling from probabilities that are NaN, infinite or negative",
        "The network diverged, or log-probabilities were given: look at the loss before; softmax first.")),
    (re.compile(r"element \d+ of input|all elements of input should be between 0 and 1"), always(
        "binary cross entropy is given values outside 0 … 1",
        "These are logits: BCEWithLogitsLoss, or torch.sigmoid before BCELoss.")),
    (re.compile(r"[Tt]oo many open files"), always(
        "too many open files", "Close what is opened, ulimit -n 4096, or fewer loader workers.")),
    (re.compile(r"No space left on device"), always(
        "the disk is full", "Delete old checkpoints, or save elsewhere.")),
)  # fmt: skip
