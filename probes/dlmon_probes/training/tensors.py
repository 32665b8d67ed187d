"""Looking at tensors without being seen: no gradient, no mode of the user's, no random number, no synchronisation.

Everything that measures goes through here. Statistics stay on the tensor's device as small vectors; `readback` brings
them over without waiting.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any, Callable, Optional

from dlmon_probes import events

SUBSAMPLE = 65_536  # elements looked at for statistics of one tensor
UNIQUE = 1_000

FACTS_WIDTH = 8  # min, max, mean, std, zeros, nonfinite, unique, integers


def torch_module() -> Any:
    return sys.modules["torch"]


class immune:
    """Within it, tensor operations are ours alone: no gradient, no torch-function or dispatch mode, no autocast.

    `set_default_device`, FakeTensorMode, FlopCounterMode and tensor subclasses' own code do not see what we do.
    """

    def __enter__(self) -> None:
        torch = torch_module()
        self._stack = ExitStack()
        self._stack.enter_context(torch.no_grad())
        self._stack.enter_context(torch._C.DisableTorchFunction())
        if torch._C._len_torch_dispatch_stack():
            from torch.utils._python_dispatch import _disable_current_modes

            self._stack.enter_context(_disable_current_modes())

    def __exit__(self, *exc: Any) -> None:
        self._stack.close()


def out_of_reach() -> bool:
    """True while values must not be read: inside vmap/grad transforms, or while a compiler traces."""
    torch = torch_module()
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return True
    compiling: bool = torch.compiler.is_compiling()
    return compiling


def local(tensor: Any) -> Optional[Any]:
    """The part of a tensor that lies in this process, detached; None for what has no readable values.

    A DTensor gives its local shard (never a collective); meta, fake, sparse, quantized and nested tensors give None.
    """
    torch = torch_module()
    shard = getattr(tensor, "_local_tensor", None) if type(tensor).__name__ == "DTensor" else None
    if shard is not None:
        tensor = shard
    if type(tensor).__name__ in ("FakeTensor", "FunctionalTensor") or tensor.device.type == "meta":
        return None
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return None
    if type(tensor) is not torch.Tensor and type(tensor) is not torch.nn.Parameter and _wraps(tensor):
        return None
    return tensor.detach()


def _wraps(tensor: Any) -> bool:
    """A wrapper subclass has no storage of its own."""
    try:
        return bool(tensor.untyped_storage().data_ptr() == 0 and tensor.numel())
    except Exception:
        return True


def subsample(tensor: Any, most: int) -> Any:
    """At most about `most` elements of a strided tensor as a 1-D view, evenly spaced in memory; a copy where no view
    is possible. The same elements each time for the same layout."""
    torch = torch_module()
    count = tensor.numel()
    stride = max(1, -(-count // most))
    if tensor.is_contiguous():
        return tensor.view(-1)[::stride]
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return torch.as_strided(tensor, (-(-count // stride),), (stride,), tensor.storage_offset())
    return tensor.reshape(-1)[::stride]


def name_of(dtype: Any) -> str:
    return str(dtype).replace("torch.", "")


class Measured:
    """Statistics under way: shape and type now, numbers once `vector` was read (give it to `Agent.later`)."""

    def __init__(self, tensor: Any) -> None:
        self.shape = [int(size) for size in tensor.shape]
        self.dtype = name_of(tensor.dtype)
        self.device = str(tensor.device)
        self.requires_grad = bool(tensor.requires_grad)
        self._discrete = not (tensor.dtype.is_floating_point or tensor.dtype.is_complex)
        readable = local(tensor)
        self.vector = None if readable is None or not readable.numel() else _statistics(readable)

    def facts(self, values: Optional[list[float]]) -> events.TensorFacts:
        """The finished record. values: the vector's, None where there was none."""
        if values is None:
            return events.TensorFacts(self.shape, self.dtype, self.device, requires_grad=self.requires_grad)
        low, high, mean, std, zeros, nonfinite, unique, integers = values
        none_finite = nonfinite >= 1.0
        return events.TensorFacts(
            self.shape, self.dtype, self.device,
            min=None if none_finite else low, max=None if none_finite else high,
            mean=None if none_finite else mean, std=None if none_finite else std,
            zeros=zeros, nonfinite=nonfinite, unique=int(unique) if unique >= 0 else None,
            integers=bool(integers) and not none_finite, requires_grad=self.requires_grad,
        )  # fmt: skip


def _statistics(tensor: Any) -> Any:
    """The eight numbers of TensorFacts as a float tensor on the tensor's device. No synchronisation."""
    torch = torch_module()
    x = subsample(tensor, SUBSAMPLE)
    if x.dtype.is_complex:
        x = x.abs()
    discrete = not x.dtype.is_floating_point
    unique = -1.0
    if discrete and x.device.type == "cpu" and x.dtype is not torch.bool:
        unique = float(torch.unique(x).numel())
        unique = unique if unique <= UNIQUE else -1.0
    x = x.to(torch.float64 if discrete and x.device.type != "mps" else torch.float32)
    finite = torch.isfinite(x)
    count = finite.sum().clamp(min=1)
    safe = torch.where(finite, x, 0.0)
    mean = safe.sum() / count
    variance = torch.where(finite, (x - mean) ** 2, 0.0).sum() / count
    return torch.stack(
        [
            torch.where(finite, x, float("inf")).amin(), torch.where(finite, x, float("-inf")).amax(), mean,
            variance.sqrt(), (x == 0).to(x.dtype).mean(), 1 - finite.to(x.dtype).mean(),
            torch.full((), unique, dtype=x.dtype, device=x.device), (safe == safe.round()).all().to(x.dtype),
        ]
    )  # fmt: skip


def readback(vectors: list[Any]) -> Callable[[], Optional[list[list[float]]]]:
    """A function that gives the values of 1-D tensors, or None as long as a device has not finished. Never waits."""
    torch = torch_module()
    waiting: list[tuple[Any, Any]] = []
    for vector in vectors:
        if vector is None or vector.device.type == "cpu":
            waiting.append((vector, None))
        elif vector.device.type == "cuda":
            host = torch.empty(vector.shape, dtype=vector.dtype, device="cpu", pin_memory=True)
            host.copy_(vector, non_blocking=True)
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(vector.device))
            waiting.append((host, event))
        else:  # no asynchronous read known for this device: leave it unread rather than stall
            waiting.append((None, None))

    def ready() -> Optional[list[list[float]]]:
        if any(event is not None and not event.query() for _, event in waiting):
            return None
        return [[] if host is None else host.tolist() for host, _ in waiting]

    return ready
