"""Shape mismatches that one kind of layer or operation has words of its own for."""

from __future__ import annotations

import re

from dlmon.checks.crash_story import Match, Story, Teller, Tellers, always, input_of, layer_of, loss_inputs, sizes, x
from dlmon_probes import events


def _one_value(match: Match, crash: events.Crash) -> Story:
    shape = sizes(match[1])
    last = "The last batch of an epoch is often the one: DataLoader(…, drop_last=True)" if shape[:1] == [1] else ""
    other = "call model.eval() where a single sample is predicted" if shape[:1] == [1] else "use a larger input"
    return Story(
        f"{layer_of(crash)} cannot normalise one value per channel (input {x(shape)})",
        f"{last}; or {other}." if last else f"The feature map has shrunk to one pixel: {other}, or pool less.",
    )


def _wrong_rank(match: Match, crash: events.Crash) -> Story:
    wanted, shape = match["wanted"], sizes(match["got"]) if match["got"] and "[" in match[0] else []
    facts = input_of(crash)
    shape = shape or (list(facts.shape) if facts else [])
    title = f"{layer_of(crash)} wants {wanted} input, gets {x(shape) if shape else match['got']}"
    if len(shape) == 2 and "4D" in wanted:
        return Story(title, "Add what is missing: x.unsqueeze(1) for grey images without a channel; images before "
                     "x.flatten(1), not after.")  # fmt: skip
    if len(shape) == 3 and "4D" in wanted:
        return Story(title, "The channel or the batch dimension is missing: x.unsqueeze(1) or x.unsqueeze(0).")
    return Story(title, "Look at unsqueeze, squeeze and view before this layer.")


def _too_small(match: Match, crash: events.Crash) -> Story:
    return Story(
        f"{layer_of(crash)} gets {match[1].replace('x', '×')}, too small to be pooled",
        "The input is smaller than this network was made for: larger images, fewer pooling layers or strides.",
    )


def _kernel(match: Match, crash: events.Crash) -> Story:
    size, kernel = (match[i].replace(" x ", "×") for i in (1, 2))
    return Story(
        f"{layer_of(crash)} has a kernel of {kernel}, its padded input is only {size}",
        "Larger inputs, a smaller kernel, or padding; earlier strides and poolings have shrunk the feature map.",
    )


def _group_norm(match: Match, crash: events.Crash) -> Story:
    expected, shape = sizes(match[1]), sizes(match[2])
    got = shape[1] if len(shape) > 1 else "?"
    return Story(
        f"{layer_of(crash)} normalises {x(expected)} channels, gets {got} (input {x(shape)})",
        f"Set its num_channels to {got}.",
    )


def _hidden(match: Match, crash: events.Crash) -> Story:
    wanted, got = sizes(match[1]), sizes(match[2])
    advice = "Make the initial state with the batch size of this batch (x.size), not with a fixed one."
    if len(wanted) > 1 and len(got) > 1 and wanted[1] != got[1]:
        facts = input_of(crash)
        if facts and len(facts.shape) > 1 and facts.shape[0] == got[1]:
            advice = "The data have the batch first: nn.LSTM(…, batch_first=True), or x.transpose(0, 1)."
    return Story(f"{layer_of(crash)} wants a state of {x(wanted)}, gets {x(got)}", advice)


def _cell(match: Match, crash: events.Crash) -> Story:
    return Story(
        f"{layer_of(crash)} expects {match[2]} features, gets {match[1]}", f"Set its input_size to {match[1]}."
    )


def _attention(match: Match, crash: events.Crash) -> Story:
    return Story(
        f"{layer_of(crash)} has embed_dim {match[1]}, its input has {match[2]} features",
        f"Project the input to {match[1]} features first, or set embed_dim to {match[2]}.",
    )


def _mask(match: Match, crash: events.Crash) -> Story:
    got, wanted = sizes(match[1]), sizes(match[2])
    return Story(
        f"the attention mask of {layer_of(crash)} is {x(got)}, it must be {x(wanted)}",
        "The mask goes by the length of the sequences (target × source) of this very batch.",
    )


def _padding_mask(match: Match, crash: events.Crash) -> Story:
    facts = input_of(crash)
    shape = f" (input {x(facts.shape)})" if facts else ""
    return Story(
        f"the padding mask of {layer_of(crash)} is for {match[2]} sequences, the batch has {match[1]}{shape}",
        "The mask is (batch, length): where the data have the batch first, the layer needs batch_first=True.",
    )


def _batched(match: Match, _crash: events.Crash) -> Story:
    wanted, got = sizes(match[1]), sizes(match[2])
    if wanted[:1] != got[:1]:
        return Story(f"batched product of {wanted[0]} with {got[0]} matrices", "Both need the same batch size.")
    return Story(
        f"batched product: {wanted[1]} columns against {got[1]} rows",
        f"The second operand needs {wanted[1]} rows: look at transpose(1, 2), and at the last dimension of both.",
    )


def _vector(match: Match, _crash: events.Crash) -> Story:
    matrix = match[1].replace("x", "×")
    return Story(f"a {matrix} matrix cannot be multiplied by {match[2]} elements", "The inner sizes must agree.")


def _dimensions(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"tensors of {match[1]} and {match[2]} dimensions cannot be put together",
        "unsqueeze the smaller one to the same number of dimensions first.",
    )


def _expanded(match: Match, _crash: events.Crash) -> Story:
    target, existing, dim = match[1], match[2], match[3]
    return Story(
        f"{existing} elements do not go where {target} belong (dimension {dim})",
        "Only dimensions of size 1 are stretched: both sides of an assignment or expand() need the same sizes.",
    )


def _output(match: Match, _crash: events.Crash) -> Story:
    small, large = sizes(match[1]), sizes(match[2])
    return Story(
        f"an in-place operation would make {x(small)} into {x(large)}",
        "Write a = a + b instead of a += b, or make the left side large enough.",
    )


def _permuted(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"permute got {match[2]} dimensions for a tensor that has {match[1]}",
        "A batch or channel dimension is missing or too many here: look at the tensor's shape below.",
    )


def _no_such_dimension(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"dimension {match[3]} is asked of a tensor with dimensions {match[1]} … {match[2]}",
        "The tensor has fewer dimensions than the line expects: squeeze() may have taken one (give it a dim).",
    )


def _einsum(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"einsum: {match[1]} is {match[2]} in one operand and {match[3]} in another", "One of the letters is misplaced."
    )


def _bool_mask(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"a mask of {x(sizes(match[1]))} for a tensor of {x(sizes(match[2]))}", "Make it from the same tensor."
    )


def _spatial(match: Match, crash: events.Crash) -> Story:
    _prediction, target = loss_inputs(crash)
    seen = f": {x(target.shape)}" if target else ""
    return Story(
        f"cross_entropy over images gets targets with {match[1]} dimensions{seen}",
        "Targets are class numbers of shape (N, H, W): target.squeeze(1), or argmax(1) for one-hot masks.",
    )


def _target(match: Match, crash: events.Crash) -> Story:
    wanted, got = sizes(match[1]), sizes(match[2])
    prediction, _ = loss_inputs(crash)
    shape = f"; predictions are {x(prediction.shape)}" if prediction else ""
    return Story(
        f"cross_entropy wants targets of {x(wanted)}, gets {x(got)}{shape}",
        "The classes belong in dimension 1: logits.transpose(1, 2), or logits.flatten(0, 1) with target.flatten().",
    )


def _loss_sizes(match: Match, _crash: events.Crash) -> Story:
    got, target = sizes(match[1]), sizes(match[2])
    return Story(
        f"predictions are {x(got)}, targets {x(target)}",
        "Resize one of them: F.interpolate(logits, size=target.shape[-2:]), or the masks with mode='nearest'.",
    )


def _same_size(match: Match, _crash: events.Crash) -> Story:
    target, got = sizes(match[1]), sizes(match[2])
    return Story(
        f"predictions are {x(got)}, targets {x(target)}",
        "Give both the same shape: target.unsqueeze(1) (and .float()), or prediction.squeeze(1).",
    )


def _one_logit(match: Match, crash: events.Crash) -> Story:
    prediction, _ = loss_inputs(crash)
    shape = f" of {x(prediction.shape)}" if prediction else ""
    return Story(
        f"cross_entropy gets predictions without a class dimension{shape}, and {match[1]} targets",
        "Predictions are (N, classes): is the last layer nn.Linear(…, 1) or was it squeezed? For two classes with one "
        "logit use BCEWithLogitsLoss.",
    )


def _weights(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"{match[2]} class weights for {match[1]} classes", f"Give cross_entropy one weight per class: {match[1]}."
    )


def _divisible(match: Match, _crash: events.Crash) -> Story:
    return Story(f"{match[1]} must be divisible by {match[2]}", "Change one of the two numbers so that it is.")


def _strided(_match: Match, _crash: events.Crash) -> Story:
    return Story(
        "view() on a tensor that is not contiguous", "Use .reshape(…) here: transpose and permute only relabel memory."
    )


_INDEX = r"\[([\d, -]*)\]"
_ITEM = always("a tensor with several elements is read as one number", "Reduce it first: .mean().item(), or .tolist().")


def _plain(title: str, advice: str) -> Teller:
    return always(title, advice)


LAYERS: Tellers = (
    (re.compile(r"more than 1 (?:value per channel|spatial element) when training, got .*?torch\.Size\((.*?)\)"),
     _one_value),
    (re.compile(r"[Ee]xpected (?:input to be )?(?P<wanted>[\dD, ()a-z]*?\dD(?: \((?:un)?batched\))?(?: or \dD)?"
                r"(?: \(batched\))?) ?(?:input)?(?: to conv\w+)?[ ,(]*(?:but )?got (?:input of size: )?"
                r"(?P<got>\[[\d, ]+\]|\dD)"), _wrong_rank),
    (re.compile(r"Given input size: \(([\dx]+)\).*Output size is too small"), _too_small),
    (re.compile(r"padded input size per channel: \((.*?)\)\. Kernel size: \((.*?)\)"), _kernel),
    (re.compile(r"channels in input, but got weight of shape (\[.*?\]) and input of shape (\[.*?\])"), _group_norm),
    (re.compile(r"Expected hidden(?:\[\d\])? size \((.*?)\), got \[(.*?)\]"), _hidden),
    (re.compile(r"inconsistent input_size: got (\d+) expected (\d+)"), _cell),
    (re.compile(r"expecting embedding dimension of (\d+), but got (\d+)"), _attention),
    (re.compile(r"attn_mask is torch\.Size\((.*?)\), but should be \((.*?)\)"), _mask),
    (re.compile(r"key_padded_mask\.shape\[0\] to be (\d+), but got (\d+)"), _padding_mask),
    (re.compile(r"batch2 tensor to be: (\[.*?\]) but got: (\[.*?\])"), _batched),
    (re.compile(r"got input \(\d+\), mat \((\d+x\d+)\), vec \((\d+)\)"), _vector),
    (re.compile(r"same number of dimensions: got (\d+) and (\d+)"), _dimensions),
    (re.compile(r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\) at .*?dimension (\d+)"),
     _expanded),
    (re.compile(r"output with shape (\[.*?\]) doesn't match the broadcast shape (\[.*?\])"), _output),
    (re.compile(r"input\.dim\(\) = (\d+) is not equal to len\(dims\) = (\d+)"), _permuted),
    (re.compile(r"expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)"), _no_such_dimension),
    (re.compile(r"subscript (\w) has size (\d+) .*? previously seen size (\d+)"), _einsum),
    (re.compile(rf"shape of the mask {_INDEX} at index \d+ does not match the shape of the indexed tensor {_INDEX}"),
     _bool_mask),
    (re.compile(r"spatial targets supported .*? of dimension: (\d+)"), _spatial),
    (re.compile(r"Expected target size (\[.*?\]), got (\[.*?\])"), _target),
    (re.compile(r"size mismatch \(got input: (\[.*?\]) ?, target: (\[.*?\])"), _loss_sizes),
    (re.compile(r"Target size \(torch\.Size\((.*?)\)\) must be the same as input size \(torch\.Size\((.*?)\)\)"),
     _same_size),
    (re.compile(r"1D target must have size 1, but got target size: (\d+)"), _one_logit),
    (re.compile(r"for all (\d+) classes or no classes but got weight tensor of shape: \[(\d+)\]"), _weights),
    (re.compile(r"([\w ]+(?: \(\d+\))?) must be divisible by ([\w ]+(?: \(\d+\))?)"), _divisible),
    (re.compile(r"view size is not compatible with input tensor's"), _strided),
    (re.compile(r"cannot be converted to Scalar"), _ITEM),
    (re.compile(r"Boolean value of Tensor with more than one"),
     _plain("a tensor with several elements is used as a condition", "Say which: (a == b).all() or .any().")),
    (re.compile(r"each element in list of batch should be of equal size|expected sequence of length"),
     _plain("lists of different lengths are put into one batch", "Pad them, or give the DataLoader a collate_fn.")),
    (re.compile(r"self must be a matrix"),
     _plain("mm() wants two matrices", "Use torch.matmul (the @ sign) for tensors with a batch dimension.")),
)  # fmt: skip
