"""Which modules are the model, and what its parameters are called.

The live objects are looked through once, at the first backward (about 60 ms for 400,000 objects), and again only when
an optimizer brings parameters that are not known. The model is what the optimizers hold, not the largest module made:
meta-device copies, EMA and teacher networks, wrappers and losses are modules too. Modules are read through their
`__dict__`; nothing of the user's is called.
"""

from __future__ import annotations

import gc
import sys
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from types import FrameType
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.training import callsite, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

MOST_SCANS = 12
MOST_OF_A_LINE = 64  # optimizers made by one line that are told of: some loops make one for each step
MOST_HIDDEN = 1_000  # entries of a list or dict that are looked at for modules
WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module.")


def install(agent: Agent, loop: Loop) -> None:
    names = Names(agent, loop)
    agent.names = names
    agent.guard("names", agent.sampled_before_backward, names.at_backward)
    agent.guard("names", agent.sampled_before_step, names.at_step)


def children(module: Any) -> Iterator[tuple[str, Any]]:
    """A module's direct submodules by name, read without calling anything of the user's."""
    for name, child in (module.__dict__.get("_modules") or {}).items():
        if child is not None:
            yield name, child


def own_parameters(module: Any) -> Iterator[tuple[str, Any]]:
    for name, parameter in (module.__dict__.get("_parameters") or {}).items():
        if parameter is not None:
            yield name, parameter


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """(qualified name, module) of a root and everything below, each module once, in definition order."""
    seen = {id(root)}
    stack = [("", root)]
    while stack:
        prefix, module = stack.pop()
        yield prefix, module
        below = []
        for name, child in children(module):
            if id(child) not in seen:
                seen.add(id(child))
                below.append((f"{prefix}.{name}" if prefix else name, child))
        stack.extend(reversed(below))


def hidden(root: Any) -> Iterator[tuple[str, Any]]:
    """(qualified name, module) of modules in plain lists and dicts of a root's modules: torch does not know them."""
    seen = {id(module) for _, module in walk(root)}
    for prefix, module in list(walk(root)):
        for attribute, held in list(module.__dict__.items()):
            if attribute.startswith("_") or type(held) not in (list, tuple, dict) or not 0 < len(held) <= MOST_HIDDEN:
                continue
            for key, value in list(held.items() if type(held) is dict else enumerate(held)):
                if issubclass(type(value), tensors.torch_module().nn.Module) and id(value) not in seen:
                    for name, inner in walk(value):
                        seen.add(id(inner))
                        yield ".".join(part for part in (prefix, attribute, str(key), name) if part), inner


def clean(name: str) -> str:
    """A qualified name without the prefixes that wrappers (DDP, compile, FSDP) put in."""
    for prefix in WRAPPERS:
        while name.startswith(prefix):
            name = name[len(prefix) :]
        name = name.replace("." + prefix, ".")
    return "" if name + "." in WRAPPERS else name


class Names:
    """Index and names of parameters and modules. All references to user objects are weak."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._roots: list[weakref.ref[Any]] = []
        self._root_labels: list[str] = []
        self._modules: dict[int, tuple[weakref.ref[Any], str]] = {}  # by id: a module may be unhashable
        self._index: dict[int, tuple[int, weakref.ref[Any], str]] = {}
        self._next = 0
        self._scans = 0
        self._told: dict[int, Any] = {}  # root number → what was last written of it
        self._optimizers_told: dict[int, tuple[int, ...]] = {}
        self._made_there: Counter[tuple[str, int]] = Counter()  # optimizers told of, by the line that made them

    # ------------------------------------------------------------ asked by other instruments

    def roots(self) -> list[Any]:
        """The model's root modules that are alive."""
        return [root for root in (ref() for ref in self._roots) if root is not None]

    def module_name(self, module: Any) -> Optional[str]:
        """Qualified name, "" for a root; None for a module that belongs to no root."""
        entry = self._modules.get(id(module))
        return entry[1] if entry is not None and entry[0]() is module else None

    def index(self, parameter: Any) -> Optional[int]:
        """The parameter's `p`; None when it is not known."""
        entry = self._index.get(id(parameter))
        return entry[0] if entry is not None and entry[1]() is parameter else None

    def parameter_name(self, parameter: Any) -> Optional[str]:
        entry = self._index.get(id(parameter))
        return entry[2] if entry is not None and entry[1]() is parameter else None

    def known(self) -> list[tuple[int, Any]]:
        """(p, parameter) of every parameter that is alive."""
        pairs = [(p, ref()) for p, ref, _ in self._index.values()]
        return [(p, parameter) for p, parameter in pairs if parameter is not None]

    # ------------------------------------------------------------ listening

    def at_backward(self, loss: Any, _series: int) -> None:
        if self._scans == 0:
            self.scan(callsite.caller(), loss)

    def at_step(self, optimizer: Any, index: int) -> None:
        signature = tuple(len(group["params"]) for group in optimizer.param_groups)
        if self._optimizers_told.get(index) == signature or self._enough_of(optimizer, index):
            return
        held = _held(optimizer)
        if any(self.index(parameter) is None for parameter in held):
            self.scan(callsite.caller(), None)
        self._optimizers_told[index] = signature
        self._tell_optimizer(optimizer, index)

    def _enough_of(self, optimizer: Any, index: int) -> bool:
        """The line that made this optimizer makes one after another, and enough of them were told of."""
        place = self._loop.made_at.get(optimizer)
        if place is None or index in self._optimizers_told:
            return False
        key = (place.file, place.line)
        self._made_there[key] += 1
        return self._made_there[key] > MOST_OF_A_LINE

    # ------------------------------------------------------------ the scan

    def scan(self, frame: Optional[FrameType], loss: Any) -> None:
        """Find the roots, name their parameters and write what is new. loss: where to look for loose leaves."""
        self._scans += 1
        if self._scans > MOST_SCANS:
            return
        began = perf_counter()
        with tensors.immune():
            self._look_around(frame, loss)
        self._agent.governor.pay_for("names", perf_counter() - began)

    def _look_around(self, frame: Optional[FrameType], loss: Any) -> None:
        modules = _live_modules()
        held = self._held_by_optimizers()
        for root in _roots_of(modules):
            parts = list(walk(root))
            parameters = [p for _, module in parts for _, p in own_parameters(module)]
            wanted = any(id(p) in held for p in parameters) if held else any(p.requires_grad for p in parameters)
            if wanted and not any(ref() is root for ref in self._roots):
                self._roots.append(weakref.ref(root))
        self._name_all(frame)
        self._name_hidden(loss)
        self._name_loose(frame, loss, held)
        self._tell_models(held)

    def _held_by_optimizers(self) -> dict[int, int]:
        """id(parameter) → index of the optimizer that holds it, over all optimizers that are alive."""
        held: dict[int, int] = {}
        for optimizer in list(self._loop.made_at):
            index = self._loop.index_of(optimizer)
            for parameter in _held(optimizer):
                held.setdefault(id(parameter), index)
        return held

    def _name_all(self, frame: Optional[FrameType]) -> None:
        roots = self.roots()
        labels = _variable_names(frame, roots) if len(roots) > 1 else [""] * len(roots)
        for root, label in zip(roots, labels):
            for name, module in walk(root):
                name = clean(name)
                full = f"{label}.{name}" if label and name else (label or name)
                self._modules[id(module)] = (weakref.ref(module), full)
                for part, parameter in own_parameters(module):
                    self._register(parameter, f"{full}.{part}" if full else part)

    def _name_hidden(self, loss: Any) -> None:
        """Parameters that the loss reaches in modules kept in plain lists: layers that `parameters()` leaves out."""
        concealed = [found for root in self.roots() for found in hidden(root)] if loss is not None else []
        if not concealed:
            return
        from dlmon_probes.training.graph import leaves

        reached = {id(leaf) for leaf in leaves(loss)}
        for name, module in concealed:
            for part, parameter in own_parameters(module):
                if id(parameter) in reached:
                    self._register(parameter, f"{clean(name)}.{part}")

    def _register(self, parameter: Any, name: str) -> int:
        known = self.index(parameter)
        if known is not None:
            return known
        p, self._next = self._next, self._next + 1
        self._index[id(parameter)] = (p, weakref.ref(parameter), name)
        return p

    def _name_loose(self, frame: Optional[FrameType], loss: Any, held: dict[int, int]) -> None:
        """Tensors that are trained and belong to no module: in an optimizer, or leaves of the loss."""
        loose: list[tuple[Any, str]] = []
        for optimizer in list(self._loop.made_at):
            number = self._loop.index_of(optimizer)
            for i, parameter in enumerate(_held(optimizer)):
                if self.index(parameter) is None:
                    loose.append((parameter, f"optimizer{number}.{i}"))
        if not held and loss is not None:
            from dlmon_probes.training.graph import leaves

            loose += [(leaf, f"leaf{i}") for i, leaf in enumerate(leaves(loss)) if self.index(leaf) is None]
        variables = _tensor_variables(frame, {id(tensor) for tensor, _ in loose}) if loose else {}
        place = {tensor: i for i, tensor in enumerate(variables)}  # as the program lists them
        for tensor, fallback in sorted(loose, key=lambda entry: place.get(id(entry[0]), len(place))):
            self._register(tensor, variables.get(id(tensor), fallback))

    # ------------------------------------------------------------ telling

    def _tell_models(self, held: dict[int, int]) -> None:
        rows_of: dict[int, list[events.Parameter]] = {}
        for number, root in enumerate(self.roots()):
            rows_of[number] = [
                self._row(parameter, held) for _, module in walk(root) for _, parameter in own_parameters(module)
            ]
            self._tell(number, root, rows_of[number])
        told = {row.p for rows in rows_of.values() for row in rows}
        loose = [self._row(parameter, held) for p, parameter in self.known() if p not in told]
        if loose:
            self._tell(len(rows_of), None, loose)

    def _row(self, parameter: Any, held: dict[int, int]) -> events.Parameter:
        p, _, name = self._index[id(parameter)]
        return events.Parameter(
            p=p, name=name, shape=[int(size) for size in parameter.shape], dtype=tensors.name_of(parameter.dtype),
            device=str(parameter.device), requires_grad=bool(parameter.requires_grad), numel=int(parameter.numel()),
            optimizer=held.get(id(parameter)),
        )  # fmt: skip

    def _tell(self, number: int, root: Any, rows: list[events.Parameter]) -> None:
        unique = {row.p: row for row in rows}
        rows = list(unique.values())
        if self._told.get(number) == rows:
            return
        self._told[number] = rows
        file, line = _definition(type(root)) if root is not None else ("", 0)
        parts = [module for _, module in walk(root)] if root is not None else []
        modules = [_module_row(self.module_name(module) or "", module) for module in parts]
        self._agent.emit(
            events.Model(
                t=time.time(), root=number, cls=type(root).__name__ if root is not None else "", step=self._agent.step,
                file=file, line=line, parameters=rows, modules=modules,
            )
        )  # fmt: skip

    def _tell_optimizer(self, optimizer: Any, index: int) -> None:
        groups = [
            events.OptimizerGroup(
                [p for p in (self.index(parameter) for parameter in group.get("params", ())) if p is not None],
                {key: _option(value) for key, value in group.items() if _option(value) is not None},
            )
            for group in getattr(optimizer, "param_groups", [])
        ]
        self._agent.emit(
            events.Optimizer(
                time.time(), index, type(optimizer).__name__, self._agent.step, groups,
                self._loop.made_at.get(optimizer),
            )
        )  # fmt: skip


def _live_modules() -> list[Any]:
    torch = tensors.torch_module()
    base = torch.nn.Module
    # issubclass on the type: isinstance would wake dead weak proxies (ReferenceError inside the user's backward).
    return [thing for thing in gc.get_objects() if issubclass(type(thing), base) and "_modules" in thing.__dict__]


def _roots_of(modules: list[Any]) -> list[Any]:
    below = {id(child) for module in modules for _, child in children(module)}
    return [module for module in modules if id(module) not in below]


def _held(optimizer: Any) -> list[Any]:
    groups = getattr(optimizer, "param_groups", None) or []
    return [parameter for group in groups for parameter in group.get("params", ())]


def _definition(cls: type) -> tuple[str, int]:
    """File and first line of a class of the user's, by its forward; ("", 0) for a library's."""
    code = getattr(getattr(cls, "forward", None), "__code__", None)
    if code is None or not callsite.is_user_code(code):
        return "", 0
    return code.co_filename, code.co_firstlineno


def _module_row(name: str, module: Any) -> events.ModuleRow:
    file, line = _definition(type(module))
    return events.ModuleRow(name, type(module).__name__, bool(module.__dict__.get("training", True)), file, line)


def _option(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)) and all(isinstance(item, (bool, int, float, str)) for item in value):
        return list(value) if len(value) <= 8 else None
    return None


def variables_in_sight(frame: Optional[FrameType]) -> list[tuple[str, Any]]:
    """Variables in sight of a frame, innermost first. Leaves no reference behind: until Python 3.13 `f_locals` of a
    function is a snapshot that the frame keeps, and with it the tensors in it."""
    found: list[tuple[str, Any]] = []
    while frame is not None:
        if callsite.is_user_code(frame.f_code):
            variables = frame.f_locals
            found += list(variables.items())
            if variables is not frame.f_globals and sys.version_info < (3, 13) and sys.gettrace() is None:
                variables.clear()
        frame = frame.f_back
    return found


def _variable_names(frame: Optional[FrameType], roots: list[Any]) -> list[str]:
    """What the program calls each root (`netG`), its class's name where that cannot be told; all different."""
    variables = variables_in_sight(frame)
    labels: list[str] = []
    for root in roots:
        label = next((name for name, value in variables if value is root), "")
        if not label:
            inner = next(iter(dict(children(root)).values()), None)
            label = next((name for name, value in variables if value is inner and inner is not None), "")
        label = label or type(root).__name__
        while label in labels:
            label += "'"
        labels.append(label)
    return labels


def _tensor_variables(frame: Optional[FrameType], wanted: set[int]) -> dict[int, str]:
    """id(tensor) → variable name (`w1`, `params[2]`, `params['w']`) for the wanted tensors in sight of the frame."""
    names: dict[int, str] = {}
    for name, value in variables_in_sight(frame):
        if id(value) in wanted:
            names.setdefault(id(value), name)
        elif type(value) in (list, tuple) and len(value) <= 10_000:
            for i, item in enumerate(value):
                if id(item) in wanted:
                    names.setdefault(id(item), f"{name}[{i}]")
        elif type(value) is dict and len(value) <= 10_000:
            for key, item in list(value.items()):
                if id(item) in wanted:
                    names.setdefault(id(item), f"{name}[{key!r}]")
    return names
