"""Which kind of failure an exception was, told by its type and the words that torch uses."""

from __future__ import annotations

import re

from dlmon_probes import events

# In this order: a message about devices often also speaks of types, one about a checkpoint of sizes.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "crash.worker",
        re.compile(
            r"DataLoader worker \(pid|insufficient shared memory|unable to (?:open|mmap|write to) .*?shared memory"
            r"|unable to (?:open|resize) (?:shared memory|file <.*?torch_)|received \d+ items of ancdata"
            r"|[Cc]an't pickle|[Cc]annot pickle|[Cc]an't get (?:local )?(?:attribute|object)"
            r"|finished its bootstrapping phase|re-initialize CUDA in forked subprocess"
            r"|process \d+ terminated with (?:signal|exit code)|DataLoader timed out"
        ),
    ),
    (
        "crash.oom",
        re.compile(
            r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED|std::bad_alloc"
            r"|Cannot allocate memory|CUDNN_STATUS_ALLOC_FAILED",
            re.IGNORECASE,
        ),
    ),
    (
        "crash.device",
        re.compile(
            r"on the same device|different devices?\b|two devices|not on the expected device"
            r"|Torch not compiled with CUDA"
            r"|torch\.cuda\.\w+Tensor\) and (?:weight|bias) type \(torch\.\w+Tensor"
            r"|\(torch\.\w+Tensor\) and (?:weight|bias) type \(torch\.cuda"
            r"|deserialize object on a CUDA device|invalid device ordinal|No CUDA GPUs are available"
            r"|can't convert cuda:\d+ device type tensor to numpy|Found no NVIDIA driver"
            r"|indices should be either on cpu or on the same device"
        ),
    ),
    (
        "crash.checkpoint",
        re.compile(
            r"(?:Missing|Unexpected) key\(s\) in state_dict(?!.*size mismatch)|Weights only load failed"
            r"|PytorchStreamReader failed|invalid load key|Expected state_dict to be dict-like"
            r"|loaded state dict (?:has|contains a parameter group)|unexpected EOF|Invalid magic number",
            re.DOTALL,
        ),
    ),
    (
        "crash.autograd",
        re.compile(
            r"does not require grad and does not have a grad_fn|backward through the graph a second time"
            r"|modified by an inplace operation|grad can be implicitly created only for scalar"
            r"|used in an in-place operation|appears to not have been used in the graph|Inference tensors cannot"
            r"|dtype can require gradients|on Tensor that requires grad|can't optimize a non-leaf"
            r"|only tensors created explicitly by the user|saved tensors after they have already been freed"
            r"|does not require grad|leaf [Vv]ariable (?:has been moved|that requires)|has been modified inplace",
            re.IGNORECASE,
        ),
    ),
    (
        "crash.shape",
        re.compile(
            r"shapes cannot be multiplied|to have \d+ channels, but got|size mismatch|must match the size of tensor"
            r"|to match target batch_size|is invalid for input of size|running_mean should contain"
            r"|different to the input size|Sizes of tensors must match|expects each tensor to be equal size"
            r"|[Ee]xpected (?:input to be )?\d[Dd].{0,60}(?:but )?got|expected input with shape"
            r"|must be equal to input_size|multi-target not supported|shape mismatch"
            r"|Expected size for first two dimensions|inconsistent tensor size|inconsistent input_size"
            r"|The expanded size of the tensor|not broadcastable|same number of dimensions"
            r"|must have the same (?:size|shape)|must be the same as input size|doesn't match the broadcast shape"
            r"|output with shape|could not be broadcast together|Kernel size can't be greater than actual input size"
            r"|Calculated padded input size|not aligned|more than 1 (?:value per channel|spatial element)"
            r"|Output size is too small|number of channels in input|Expected hidden(?:\[\d\])? size"
            r"|embedding dimension of|attn_mask is|Expected key_padded_mask|self must be a matrix"
            r"|view size is not compatible|number of dimensions in the tensor input|Dimension out of range"
            r"|does not broadcast with previously seen|shape of the mask|batches of spatial targets"
            r"|Expected target size|1D target must have size|Padding size should be less|does not match weight size"
            r"|expected sequence of length|each element in list of batch should be of equal size"
            r"|must be divisible by|weight tensor should be defined|converted to Scalar|Boolean value of Tensor with"
            r"|matmul: Input operand|tensors used as indices must have the same"
        ),
    ),
    (
        "crash.dtype",
        re.compile(
            r"same dtype|expected scalar type|Found dtype|scalar types?:? |not implemented for '\w+'"
            r"|Input type \([\w ]+\) and (?:bias|weight) type \([\w ]+\)|desired output type|infer output dtype"
            r"|one of the following scalar types|only Tensors of floating point|tensors used as indices must be"
            r"|expected target dtype|Expected floating point type|Expected dtype int|applicable to index tensor"
            r"|can't convert np\.ndarray of type|[Ee]xpected .{0,30} but got .{0,20}(?:Float|Double|Half|Long)Tensor"
            r"|must be strings? or bytes|should be a floating point"
        ),
    ),
    (
        "crash.index",
        re.compile(
            r"index out of range|out of bounds|list index out|indices should be|device-side assert"
            r"|not in the valid range|smaller than num_classes|must be smaller than"
        ),
    ),
)
_QUIET = frozenset({"KeyboardInterrupt", "SystemExit", "GeneratorExit"})  # a person or the script ended it
_IMPORTS = frozenset({"ImportError", "ModuleNotFoundError"})


def kind_of(crash: events.Crash) -> str | None:
    """The id of the check that speaks of this crash; None for an exception that is no failure."""
    name = crash.type.rpartition(".")[2]
    if name in _QUIET:
        return None
    if name in ("OutOfMemoryError", "MemoryError"):
        return "crash.oom"
    if name in _IMPORTS:
        return "crash.import"
    if name == "PicklingError":
        return "crash.worker"
    return next((id for id, pattern in _PATTERNS if pattern.search(crash.message)), _by_type(name, crash))


def _by_type(name: str, crash: events.Crash) -> str:
    if name in ("EOFError", "UnpicklingError") and any(
        frame.where.function in ("load", "_load", "_legacy_load") for frame in crash.frames[-4:]
    ):
        return "crash.checkpoint"
    return "crash.index" if name == "IndexError" else "crash.other"
