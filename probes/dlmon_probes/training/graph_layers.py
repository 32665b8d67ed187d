"""Finding one's way in an autograd graph: the order of the forward, and which module an operation belongs to."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.training import tensors
from dlmon_probes.training.loss_facts import VIEWS

DEEPEST = 200  # nodes looked through below an operation for the layers that made its inputs
_LIMITED = ("attn_bias", "attn_mask", "mask", "condition")  # −inf is what they are for


def forward_order(root: Any, most: int) -> list[Any]:
    """The nodes of a graph so that each comes after those that made its inputs; cut at `most`."""
    done: list[Any] = []
    seen = {root}
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack and len(done) < most:
        node, i = stack.pop()
        following = node.next_functions
        if i < len(following):
            stack.append((node, i + 1))
            below = following[i][0]
            if below is not None and below not in seen and len(seen) < most:
                seen.add(below)
                stack.append((below, 0))
        else:
            done.append(node)
    return done


def own_parameters(node: Any) -> list[Any]:
    """The parameters that an operation uses itself: leaves right below it, or below a transposition or a cast."""
    found = []
    for below, _ in node.next_functions:
        while below is not None and type(below).__name__ in VIEWS and below.next_functions:
            below = below.next_functions[0][0]
        if below is not None and type(below).__name__ == "AccumulateGrad":
            found.append(below.variable)
    return found


def layer_of(node: Any, names: Any) -> str:
    """The qualified name of the module whose parameters an operation uses; "" for none."""
    for parameter in own_parameters(node):
        name = names.parameter_name(parameter) if names is not None else None
        if name:
            return str(name).rpartition(".")[0] or str(name)
    return ""


def layers_below(node: Any, names: Any, most: int = 3) -> list[str]:
    """The nearest modules with parameters that made an operation's inputs."""
    found: list[str] = []
    level, seen = [node], {node}
    while level and len(seen) < DEEPEST and len(found) < most:
        following = []
        for current in level:
            for below, _ in current.next_functions:
                if below is None or below in seen:
                    continue
                seen.add(below)
                name = layer_of(below, names)
                if name:
                    if name not in found:
                        found.append(name)
                else:
                    following.append(below)
        level = following
    return found[:most]


def saved_tensors(node: Any) -> dict[str, Any]:
    """The floating tensors that an operation kept, by name. Those that are packed away (checkpointing, offloading)
    are left alone: asking for them would compute them again."""
    found: dict[str, Any] = {}
    for name in dir(type(node)):
        if not name.startswith("_saved_") or name[7:] in _LIMITED:
            continue
        try:
            raw = getattr(node, "_raw" + name, None)
            if getattr(raw, "unpack_hook", None) is not None:
                continue
            value = getattr(node, name)
        except Exception:  # freed, or changed in place since
            continue
        if not hasattr(value, "dtype") or not value.dtype.is_floating_point:
            continue
        readable = tensors.local(value)
        if readable is not None and readable.numel():
            found[name[7:]] = readable
    return found


def maker(node: Any, argument: int) -> Optional[Any]:
    """The operation that made one of a node's inputs, looking through views; None for a tensor without history."""
    following = node.next_functions
    below = following[argument][0] if argument < len(following) else None
    while below is not None and type(below).__name__ in VIEWS and below.next_functions:
        below = below.next_functions[0][0]
    return below
