"""A second body for a module, to run its forward once more without the module taking notice.

The twin has the module's classes and their `forward`, and copies of all that a forward writes to: parameters, buffers,
plain attributes, lists and dictionaries of tensors. It is built from the modules' dictionaries, so nothing of the
user's is called; what cannot be copied that way raises NotCopyable. A whole `copy.deepcopy` would follow references to
trainers and data sets.
"""

from __future__ import annotations

import collections
import copy
import random
from collections.abc import Iterator
from types import MethodType
from typing import Any

from dlmon_probes.training import names, tensors

MOST_ELEMENTS = 1 << 26  # of parameters and buffers: 256 MB in float32
MOST_ITEMS = 20_000  # of lists and dictionaries
FLAT = 1_000  # a list or dictionary that is longer is a vocabulary: copied without a look inside
DEEPEST = 5
HOOKS = ("_forward_pre_hooks", "_forward_hooks")
QUIET_HOOKS = (
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)  # fmt: skip
# They talk to other processes, or their forward is not the one that is seen.
WRAPPERS = frozenset(
    {
        "DistributedDataParallel", "FullyShardedDataParallel", "DataParallel", "OptimizedModule", "DeepSpeedEngine",
    }
)  # fmt: skip


class NotCopyable(Exception):
    """The text says what stands in the way."""


class Twin:
    """root: the twin of the module that was given, in eval mode throughout. Let go of it with `close`."""

    def __init__(self, module: Any) -> None:
        self._memo: dict[int, Any] = {}
        self._alive: list[Any] = []  # the originals: their ids are keys of the memo
        self._items = MOST_ITEMS
        self._elements = MOST_ELEMENTS
        self.root = self._module(module)

    def close(self) -> None:
        """Parents and children may know each other: emptied, they are no garbage for the collector."""
        twins = [twin for twin in self._memo.values() if issubclass(type(twin), tensors.torch_module().nn.Module)]
        self._memo.clear()
        self._alive.clear()
        for twin in twins:
            twin.__dict__.clear()

    def modules(self) -> Iterator[tuple[str, Any]]:
        return names.walk(self.root)

    def _keep(self, original: Any, twin: Any) -> Any:
        self._memo[id(original)] = twin
        self._alive.append(original)
        return twin

    def _module(self, module: Any) -> Any:
        known = self._memo.get(id(module))
        if known is not None:
            return known
        kind, own = type(module), module.__dict__
        self._refuse(kind, own)
        twin = self._keep(module, object.__new__(kind))
        for name, value in list(own.items()):
            if name in HOOKS or name in QUIET_HOOKS:
                twin.__dict__[name] = type(value)()
            else:
                twin.__dict__[name] = self._value(value, 0)
        twin.__dict__["training"] = False
        return twin

    def _refuse(self, kind: type, own: dict[str, Any]) -> None:
        torch = tensors.torch_module()
        if kind.__name__ in WRAPPERS or issubclass(kind, torch.jit.ScriptModule):
            raise NotCopyable(f"{kind.__name__} cannot be copied")
        if own.get("_compiled_call_impl") is not None:
            raise NotCopyable("the module is compiled")
        if any(own.get(hooks) for hooks in HOOKS):
            raise NotCopyable(f"{kind.__name__} has forward hooks")
        if any(name in own and not self._bound_here(own[name], own) for name in ("forward", "_call_impl")):
            raise NotCopyable(f"the forward of {kind.__name__} was replaced")

    @staticmethod
    def _bound_here(value: Any, own: dict[str, Any]) -> bool:
        return type(value) is MethodType and getattr(value.__self__, "__dict__", None) is own

    def _value(self, value: Any, depth: int) -> Any:
        torch = tensors.torch_module()
        kind = type(value)
        if value is None or kind in (bool, int, float, str, bytes, complex):
            return value
        if id(value) in self._memo:
            return self._memo[id(value)]
        if issubclass(kind, torch.Tensor):
            return self._tensor(value)
        if issubclass(kind, torch.nn.Module):
            return self._module(value)
        if kind in (list, dict, set, tuple, collections.OrderedDict, collections.deque):
            return self._container(value, depth)
        if kind is MethodType and issubclass(type(value.__self__), torch.nn.Module):
            return MethodType(value.__func__, self._module(value.__self__))
        if kind is torch.Generator:
            generator = torch.Generator(value.device)
            generator.set_state(value.get_state())
            return self._keep(value, generator)
        if issubclass(kind, random.Random) or kind.__module__.startswith("numpy.random"):
            return self._keep(value, copy.deepcopy(value))
        if any(issubclass(type(item), torch.Tensor) for item in list(getattr(value, "__dict__", {}).values())):
            raise NotCopyable(f"an object of class {kind.__name__} holds tensors")
        return value

    def _tensor(self, tensor: Any) -> Any:
        torch = tensors.torch_module()
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            raise NotCopyable(f"a {type(tensor).__name__} cannot be copied")
        self._elements -= tensor.numel()
        if self._elements < 0:
            raise NotCopyable(f"more than {MOST_ELEMENTS:,} numbers in parameters and buffers")
        twin = tensor.detach().clone()
        if type(tensor) is torch.nn.Parameter:
            twin = torch.nn.Parameter(twin, requires_grad=tensor.requires_grad)
        return self._keep(tensor, twin)

    def _container(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._items -= len(value) if len(value) <= FLAT else 1
        if self._items < 0 or depth > DEEPEST:
            raise NotCopyable("too much in its attributes")
        if len(value) > FLAT:
            return copy.copy(value)
        if kind in (dict, collections.OrderedDict):
            twin = self._keep(value, kind())
            for key, item in list(value.items()):
                twin[key] = self._value(item, depth + 1)
            return twin
        if kind is collections.deque:
            return self._keep(
                value, collections.deque((self._value(item, depth + 1) for item in list(value)), value.maxlen)
            )
        if kind is set:
            return self._keep(value, set(value))
        return self._keep(value, kind(self._value(item, depth + 1) for item in list(value)))
