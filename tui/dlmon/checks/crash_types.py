"""Number types and devices that do not fit: which tensor has which, and the one conversion that mends it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dlmon.checks.crash_story import (
    Match,
    Story,
    Tellers,
    always,
    input_of,
    layer_of,
    loss_inputs,
    name_in_user_frame,
    told_by,
)
from dlmon_probes import events

# torch's names of element types, as its messages write them, and ours.
_WORDS = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "long int": "int64", "int": "int32",
    "short": "int16", "char": "int8", "byte": "uint8", "unsigned char": "uint8", "bool": "bool",
    "bfloat16": "bfloat16", "c10::bfloat16": "bfloat16", "c10::half": "float16",
}  # fmt: skip
_CALLS = {"float32": ".float()", "int64": ".long()", "float16": ".half()", "float64": ".double()"}
_NUMPY = "NumPy makes float64 by default: convert when the data are read (astype('float32'))."


def type_story(crash: events.Crash) -> Story | None:
    """None where the message is of no known form."""
    return told_by(_TYPES, crash)


def device_story(crash: events.Crash) -> Story | None:
    """None where the message is of no known form."""
    return told_by(_DEVICES, crash)


def _word(text: str) -> str:
    text = text.lower().replace("torch.", "").removesuffix("tensor")
    return _WORDS.get(text, text)


def _two_types(match: Match, crash: events.Crash) -> Story:
    got, expected = _word(match[1]), _word(match[2])
    facts = input_of(crash)
    if facts is not None and facts.dtype == expected != got:
        got, expected = expected, got  # torch names the operands in its own order
    name = name_in_user_frame(crash, facts) or "x"
    if (got not in ("float32", "float64") and expected == "float32") or got == "float64":
        why = _NUMPY if got == "float64" else "Whole numbers need a conversion before a layer that computes with them."
        if got == "uint8":
            why = "Images are bytes: scale them as well, x.float() / 255."
        if got in ("float16", "bfloat16"):
            why = "Half-precision inputs need half-precision weights, or torch.autocast around the forward."
        return Story(
            f"{layer_of(crash)} has {expected} weights, its input is {got}",
            f"Convert it: {name} = {name}{_CALLS.get(expected, f'.to(torch.{expected})')}. {why}",
        )
    return Story(
        f"{layer_of(crash)} has {expected} weights, its input is {got}",
        f"Give both one type: {name}.to({name if crash.module is None else 'weight'}.dtype), or model.float().",
    )


def _target_type(match: Match, crash: events.Crash) -> Story:
    got = _word(match[1])
    _, target = loss_inputs(crash)
    name = name_in_user_frame(crash, target) or "target"
    shape = f" of shape {tuple(target.shape)}" if target else ""
    return Story(
        f"cross_entropy wants class numbers (int64) as targets, gets {got}{shape}",
        f"{name} = {name}.long(). If they are class probabilities they need the shape of the predictions.",
    )


def _class_probabilities(match: Match, crash: events.Crash) -> Story:
    _, target = loss_inputs(crash)
    name = name_in_user_frame(crash, target) or "target"
    return Story(
        f"cross_entropy gets targets of the shape of its predictions, but of type {_word(match[1])}",
        f"One-hot targets are probabilities: {name}.float(); or give class numbers: {name}.argmax(1).",
    )


def _not_implemented(match: Match, crash: events.Crash) -> Story:
    kernel, got = match[1], _word(match[2])
    _prediction, target = loss_inputs(crash)
    if "softmax" in kernel and "float" not in got and target is not None and "float" in target.dtype:
        return Story(
            "cross_entropy got its arguments in the wrong order: the first is the class numbers",
            "The prediction comes first: criterion(model(x), y).",
        )
    if "nll_loss" in kernel or "cross_entropy" in kernel:
        return Story(f"the class numbers given to the loss are {got}", "Class numbers must be int64: target.long().")
    if got in ("float16", "bfloat16"):
        return Story(
            f"{layer_of(crash)}: {kernel} does not exist for {got} on this device",
            "On the CPU use float32 or bfloat16 (torch.autocast('cpu')); float16 is for GPUs.",
        )
    name = name_in_user_frame(crash, input_of(crash)) or "x"
    return Story(f"{layer_of(crash)}: {kernel} does not exist for {got}", f"Convert first: {name}.float().")


def _loss_types(match: Match, crash: events.Crash) -> Story:
    got, expected = _word(match[1]), _word(match[2])
    _, target = loss_inputs(crash)
    name = name_in_user_frame(crash, target) or "target"
    why = f" {_NUMPY}" if "float64" in (got, expected) else ""
    if crash.phase == "backward":
        return Story(
            f"the loss mixes {got} with {expected}: found at backward()",
            f"Give prediction and target one type before the loss: {name} = {name}.float().{why}",
        )
    return Story(f"the target is {got}, the prediction {expected}", f"{name} = {name}.float().{why}")


def _cast_back(match: Match, crash: events.Crash) -> Story:
    _, target = loss_inputs(crash)
    if target is not None:
        name = name_in_user_frame(crash, target) or "target"
        return Story(f"the targets of this loss must be floating point, they are {target.dtype}",
                     f"{name} = {name}.float().")  # fmt: skip
    return Story(
        f"a {_word(match[1])} result does not fit into a {_word(match[2])} tensor",
        "In-place operations keep the type of the left side: make it .float() first, or write a = a * b.",
    )


def _index_type(match: Match, crash: events.Crash) -> Story:
    name = name_in_user_frame(crash, input_of(crash)) or "x"
    return Story(
        f"{layer_of(crash)} looks rows up by whole numbers, its input is {_word(match[1])}",
        f"{name} = {name}.long(): an embedding takes ids; for features use nn.Linear.",
    )


def _mean(match: Match, _crash: events.Crash) -> Story:
    return Story(f"the mean of {_word(match[1])} is asked for", "Convert first: x.float().mean().")


def _object_array(match: Match, _crash: events.Crash) -> Story:
    return Story(
        f"a NumPy array of {match[1]} cannot become a tensor",
        "It holds strings or rows of different lengths: look at its columns, then astype('float32').",
    )


def _where(shared: Iterable[events.NamedTensor]) -> str:
    devices: dict[str, list[str]] = {}
    for named in shared:
        devices.setdefault(named.facts.device, []).append(named.path)
    if len(devices) < 2:
        return ""
    parts = [f"{', '.join(names[:3])} on {device}" for device, names in sorted(devices.items())]
    return ": " + "; ".join(parts)


def _two_devices(_match: Match, crash: events.Crash) -> Story:
    told = ""
    if crash.module is not None:
        told = _where([*crash.module.inputs, *crash.module.parameters])
    if not told:
        told = next((text for f in reversed(crash.frames) if f.user for text in [_where(f.tensors)] if text), "")
    facts, weights = input_of(crash), crash.module.parameters if crash.module else []
    if facts is not None and weights and facts.device != weights[0].facts.device:
        name = name_in_user_frame(crash, facts) or "x"
        if facts.device == "cpu":
            advice = f"Move the batch: {name} = {name}.to(device) (assign it: .to() makes a copy of a tensor)."
        else:
            advice = f"Move the model: model.to(device), before the optimizer is made ({name} is there already)."
    else:
        advice = (
            "Move both to one device: model.to(device) and each batch; tensors made inside forward need "
            "device=x.device, and constants belong in register_buffer."
        )
    layer = f"{layer_of(crash)} meets" if crash.module else "one operation meets"
    return Story(f"{layer} tensors of two devices{told}", advice)


_NO_CUDA = always(
    "this torch has no CUDA, and the script asks for a GPU",
    "device = 'cuda' if torch.cuda.is_available() else 'cpu', and .to(device) instead of .cuda(); or install a CUDA "
    "build of torch.",
)
_TYPES: Tellers = (
    (re.compile(r"same dtype, but got (\w+(?:::\w+)?) and (\w+(?:::\w+)?)"), _two_types),
    (re.compile(r"Input type \(([\w .:]+)\) and (?:bias|weight) type \(([\w .:]+)\)"), _two_types),
    (re.compile(r"expected target dtype to be .*?, but got (\w+)"), _target_type),
    (re.compile(r"expected scalar type Long but (?:found|got) (\w+)"), _target_type),
    (re.compile(r"Expected floating point type for target with class probabilities, got (\w+)"), _class_probabilities),
    (re.compile(r"\"(\w+)\" not implemented for '(\w+)'"), _not_implemented),
    (re.compile(r"Found dtype (\w+) but expected (\w+)"), _loss_types),
    (re.compile(r"expected scalar type (?P<b>\w+) but found (?P<a>\w+)"),
     lambda m, crash: Story(
         f"{layer_of(crash)} expects {_word(m['b'])}, gets {_word(m['a'])}",
         f"Convert before it: .to(torch.{_word(m['b'])}). {_NUMPY if 'Double' in m[0] else ''}".strip())),
    (re.compile(r"result type (\w+) can't be cast to the desired output type ([\w ]+)"), _cast_back),
    (re.compile(r"following scalar types: Long, Int; but got torch\.(\w+)"), _index_type),
    (re.compile(r"infer output dtype.*Got: (\w+)"), _mean),
    (re.compile(r"can't convert np\.ndarray of type ([\w.]+)"), _object_array),
    (re.compile(r"Expected dtype int|tensors used as indices must be|applicable to index tensor"),
     always("a floating-point tensor is used as an index", "Indices are whole numbers: index.long().")),
)  # fmt: skip
_DEVICES: Tellers = (
    (re.compile(r"Torch not compiled with CUDA|No CUDA GPUs are available|Found no NVIDIA driver"), _NO_CUDA),
    (re.compile(r"deserialize object on a CUDA device"),
     always("the checkpoint was saved on a GPU, and there is none here", "torch.load(path, map_location='cpu').")),
    (re.compile(r"invalid device ordinal"),
     always("the script asks for a GPU number that does not exist", "Numbers start at 0 and count only the devices in "
            "CUDA_VISIBLE_DEVICES: use 'cuda', or LOCAL_RANK under torchrun.")),
    (re.compile(r"device type tensor to numpy"),
     always("a GPU tensor is turned into NumPy", "Bring it over first: x.detach().cpu().numpy().")),
    (re.compile(r"\bmeta\b"),
     always("{layer} lies on the meta device: its weights have no values yet",
            "Materialise it: model.to_empty(device='cpu') and load or initialise the weights; .to() cannot do it.")),
    (re.compile(r"."), _two_devices),
)  # fmt: skip
