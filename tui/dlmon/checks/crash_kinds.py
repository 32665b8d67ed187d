"""Which kind of failure an exception was, told by its type and the words that torch uses."""

from __future__ import annotations

import re

from dlmon_probes import events

# In this order: a message about devices often also speaks of types.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "crash.oom",
        re.compile(r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE),
    ),
    (
        "crash.device",
        re.compile(
            r"on the same device|different devices?\b|two devices|not on the expected device"
            r"|Torch not compiled with CUDA"
            r"|torch\.cuda\.\w+Tensor\) and (?:weight|bias) type \(torch\.\w+Tensor"
            r"|\(torch\.\w+Tensor\) and (?:weight|bias) type \(torch\.cuda"
            r"|deserialize object on a CUDA device|invalid device ordinal|No CUDA GPUs are available"
        ),
    ),
    (
        "crash.shape",
        re.compile(
            r"shapes cannot be multiplied|to have \d+ channels, but got|size mismatch|must match the size of tensor"
            r"|to match target batch_size|is invalid for input of size|running_mean should contain"
            r"|different to the input size|Sizes of tensors must match|expects each tensor to be equal size"
            r"|[Ee]xpected \d[Dd].{0,40}(?:but )?got|expected input with shape|must be equal to input_size"
            r"|multi-target not supported|shape mismatch|Expected size for first two dimensions"
            r"|inconsistent tensor size|The expanded size of the tensor|not broadcastable|same number of dimensions"
            r"|must have the same (?:size|shape)|doesn't match the broadcast shape|output with shape"
            r"|could not be broadcast together|Kernel size can't be greater than actual input size"
            r"|Calculated padded input size|not aligned"
        ),
    ),
    (
        "crash.dtype",
        re.compile(
            r"same dtype|expected scalar type|Found dtype|scalar types?:? |not implemented for '\w+'"
            r"|Input type \(\w+\) and (?:bias|weight) type \(\w+\)|desired output type|could not infer output dtype"
            r"|one of the following scalar types|only Tensors of floating point|tensors used as indices must be"
        ),
    ),
    (
        "crash.index",
        re.compile(r"index out of range|out of bounds|list index out|indices should be|device-side assert"),
    ),
)
_QUIET = frozenset({"KeyboardInterrupt", "SystemExit", "GeneratorExit"})  # a person or the script ended it


def kind_of(crash: events.Crash) -> str | None:
    """The id of the check that speaks of this crash; None for an exception that is no failure."""
    name = crash.type.rpartition(".")[2]
    if name in _QUIET:
        return None
    if name in ("OutOfMemoryError", "MemoryError"):
        return "crash.oom"
    return next((id for id, pattern in _PATTERNS if pattern.search(crash.message)), _by_type(name))


def _by_type(name: str) -> str:
    return "crash.index" if name == "IndexError" else "crash.other"
