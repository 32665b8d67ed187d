"""What a traceback tells beside its text: tensors in sight, the module whose forward failed, what was going on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import callsite, structures, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.names import children, own_parameters, walk

MOST_FRAMES = 40
MOST_TENSORS = 16  # of one frame
MOST_MEASURED = 48  # tensors of which values are looked at, over all frames
MOST_ELEMENTS = 1_000_000


class Measuring:
    """Facts of tensors after a crash: values of CPU tensors only, as a failed device must not be asked."""

    def __init__(self) -> None:
        self._left = MOST_MEASURED

    def named(self, path: str, tensor: Any) -> events.NamedTensor:
        return events.NamedTensor(path, self._facts(tensor), type(tensor).__name__)

    def _facts(self, tensor: Any) -> events.TensorFacts:
        try:
            if tensor.device.type == "cpu" and tensor.numel() <= MOST_ELEMENTS and self._left > 0:
                self._left -= 1
                with tensors.immune():
                    measured = tensors.Measured(tensor)
                    values = measured.vector.tolist() if measured.vector is not None else None
                return measured.facts(values)
        except Exception:  # a tensor in a broken state: its shape is worth more than nothing
            pass
        return events.TensorFacts(
            [int(size) for size in tensor.shape], tensors.name_of(tensor.dtype), str(tensor.device),
            requires_grad=bool(tensor.requires_grad),
        )  # fmt: skip


def frames_of(trace: Optional[TracebackType]) -> list[tuple[FrameType, int]]:
    """(frame, line) of a traceback, outermost first."""
    found = []
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def describe(frames: list[tuple[FrameType, int]], measuring: Measuring) -> list[events.Frame]:
    """The outermost and innermost frames, with the tensors among their variables."""
    half = MOST_FRAMES // 2
    kept = frames if len(frames) <= MOST_FRAMES else frames[:half] + frames[-half:]
    described = []
    for frame, line in kept:
        user = callsite.is_user_code(frame.f_code)
        wanted = user or _module_in(frame) is not None or _is_functional(frame)
        found = [measuring.named(path, tensor) for path, tensor in tensors_in(frame)] if wanted else []
        described.append(events.Frame(callsite.place(frame.f_code, line), user, found))
    return described


def _is_functional(frame: FrameType) -> bool:
    """A function of torch.nn.functional: its variables are called `input` and `target`, whatever the user's are."""
    return frame.f_code.co_filename.replace(os.sep, "/").endswith("torch/nn/functional.py")


def tensors_in(frame: FrameType) -> list[tuple[str, Any]]:
    """(path, tensor) of local variables, of small containers among them, and of `self`'s attributes."""
    found: list[tuple[str, Any]] = []
    for name, value in list(frame.f_locals.items()):
        if len(found) >= MOST_TENSORS:
            break
        if name == "self":
            found += _of_self(value)
        elif structures.is_tensor(value):
            found.append((name, value))
        elif type(value) in (list, tuple, dict) and frame.f_code.co_name != "<module>":
            found += [(name + leaf.path, leaf.tensor) for leaf in structures.leaves(value, 4)]
    return found[:MOST_TENSORS]


def _of_self(value: Any) -> Iterator[tuple[str, Any]]:
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return
    if _is_module(value):
        for name, parameter in own_parameters(value):
            yield f"self.{name}", parameter
        for child_name, child in children(value):
            for name, parameter in own_parameters(child):
                yield f"self.{child_name}.{name}", parameter
    for name, item in list(own.items()):
        if structures.is_tensor(item):
            yield f"self.{name}", item


def _is_module(value: Any) -> bool:
    return issubclass(type(value), tensors.torch_module().nn.Module)


def _module_in(frame: FrameType) -> Optional[Any]:
    """The module whose forward a frame is."""
    code = frame.f_code
    if code.co_name != "forward" or not code.co_argcount:
        return None
    value = frame.f_locals.get(code.co_varnames[0])
    return value if value is not None and _is_module(value) else None


def failing_module(
    agent: Agent, frames: list[tuple[FrameType, int]], measuring: Measuring
) -> Optional[events.FailingModule]:
    """The innermost module whose forward was running."""
    running = [(module, frame) for frame, _ in frames for module in [_module_in(frame)] if module is not None]
    if not running:
        return None
    module, frame = running[-1]
    code = frame.f_code
    names = code.co_varnames[1 : code.co_argcount + bool(code.co_flags & 0x04) + code.co_kwonlyargcount]
    arguments = {name: frame.f_locals[name] for name in names if name in frame.f_locals}
    inputs = [(name + leaf.path, leaf.tensor) for name, v in arguments.items() for leaf in structures.leaves(v, 8)]
    return events.FailingModule(
        name=_qualified_name(agent, module, running[0][0]), cls=type(module).__name__, options=options_of(module),
        parameters=[measuring.named(name, parameter) for name, parameter in own_parameters(module)],
        inputs=[measuring.named(path, tensor) for path, tensor in inputs[:MOST_TENSORS]],
    )  # fmt: skip


def _qualified_name(agent: Agent, module: Any, outermost: Any) -> str:
    name: Optional[str] = agent.names.module_name(module) if agent.names is not None else None
    if name is None:
        name = next((path for path, below in walk(outermost) if below is module), None)
    return type(module).__name__ if name is None else name


def options_of(module: Any) -> str:
    """The plain numbers and words a module was made with: `in_features=256, out_features=10`."""
    shown = []
    for name, value in list(module.__dict__.items()):
        if name.startswith("_") or name in ("training", "call_super_init"):
            continue
        plain = isinstance(value, (bool, int, float, str)) or value is None
        if plain or (type(value) is tuple and all(isinstance(item, (int, str)) for item in value)):
            shown.append(f"{name}={value!r}")
    return ", ".join(shown[:12])


def phase_of(agent: Agent, frames: list[tuple[FrameType, int]]) -> str:
    """forward, backward, step, data, evaluation or other, by what the frames were doing."""
    places = [(frame.f_code.co_filename.replace(os.sep, "/"), frame.f_code.co_name) for frame, _ in frames]
    if any("torch/utils/data/" in file for file, _ in places):
        return "data"
    if any("torch/autograd/" in file and name == "backward" for file, name in places):
        return "backward"
    if any("torch/optim/" in file and name in ("step", "wrapper") for file, name in places):
        return "step"
    in_forward = any(_module_in(frame) is not None for frame, _ in frames)
    if in_forward or any("torch/nn/" in file for file, _ in places):
        return "evaluation" if agent.phase == "evaluating" else "forward"
    return "evaluation" if agent.phase == "evaluating" else "other"
