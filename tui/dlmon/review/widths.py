"""How many features or channels a module's forward passes from one layer to the next, where the text fixes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from dlmon.review.kinds import Made
from dlmon.review.numbers import whole
from dlmon.review.rule import Reading
from dlmon.review.source import Class, Source, argument, dotted

MOST_DEPTH = 40

# Neither layer nor function changes the number of channels or features.
_KEEPS = frozenset({
    "relu", "relu_", "gelu", "elu", "selu", "silu", "mish", "leaky_relu", "tanh", "sigmoid", "softplus", "hardswish",
    "dropout", "dropout1d", "dropout2d", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d",
    "ReLU", "ReLU6", "GELU", "ELU", "SELU", "SiLU",
    "Mish", "LeakyReLU", "Tanh", "Sigmoid", "Softplus", "Hardswish", "Dropout", "Dropout1d", "Dropout2d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d", "Identity", "clone", "contiguous", "to", "float",
})  # fmt: skip
_CONVOLUTIONS = frozenset({"Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"})
_NORMS = frozenset({"BatchNorm1d", "BatchNorm2d", "BatchNorm3d"})

FEATURES, CHANNELS, MULTIPLE = "features", "channels", "a multiple"


@dataclass(frozen=True)
class Width:
    """What a tensor has: so many features in its last dimension, so many channels in its second, or, after
    flattening, a multiple of so many features. made: the layer it comes from."""

    kind: str
    size: int
    made: ast.Call


@dataclass(frozen=True)
class Misfit:
    """A layer that cannot take what it is given."""

    layer: ast.Call
    source: Source
    wants: int
    gets: Width
    call: ast.AST


class Widths:
    """Follows one class's forward."""

    def __init__(self, reading: Reading, cls: Class) -> None:
        self._reading = reading
        self._cls = cls
        self._known: dict[ast.expr, Width | None] = {}
        self.misfits: list[Misfit] = []

    def follow(self, body: ast.AST) -> None:
        """Look at every call of a layer in a function."""
        for node in ast.walk(body):
            if isinstance(node, ast.Call):
                self._of(node, 0)

    def _of(self, node: ast.expr, depth: int) -> Width | None:
        if node in self._known or depth > MOST_DEPTH:
            return self._known.get(node)
        self._known[node] = None
        found = self._look(node, depth)
        self._known[node] = found
        return found

    def _look(self, node: ast.expr, depth: int) -> Width | None:
        source = self._cls.source
        if isinstance(node, ast.Name):
            known = self._reading.project.definitions(node, source)
            if known is None or len(known[0]) != 1 or known[1].source is not source:
                return None
            made = known[0][0]
            simple = made.kind == "assign" and not made.path and made.value is not None
            return self._of(made.value, depth + 1) if simple and made.value is not None else None
        if not isinstance(node, ast.Call):
            return None
        layer = self._layer(node.func)
        if layer is not None and len(node.args) == 1:
            return self.through(layer, self._of(node.args[0], depth + 1), node)
        return self._operation(node, depth)

    def _layer(self, func: ast.expr) -> Made | None:
        """The layer behind `self.name`, where it is assigned once and never replaced from outside."""
        name = dotted(func)
        if not name.startswith("self.") or name.count(".") != 1:
            return None
        attribute = name[5:]
        if len(self._cls.attributes.get(attribute, ())) != 1:
            return None
        if attribute in self._reading.once("replaced attributes", lambda: _replaced(self._reading)):
            return None
        found = self._reading.resolver.made(func, self._cls.source)
        return found[0] if len(found) == 1 and found[0].name.startswith("torch.nn.") else None

    def _operation(self, node: ast.Call, depth: int) -> Width | None:
        library = self._reading.resolver.library(node.func, self._cls.source)
        if library.startswith("torch."):
            name, operand = library.rpartition(".")[2], node.args[0] if node.args else None
            rest = node.args[1:]
        elif isinstance(node.func, ast.Attribute) and not library:
            name, operand, rest = node.func.attr, node.func.value, node.args
        else:
            return None
        if operand is None or dotted(operand) == "self":
            return None
        if name in _KEEPS:
            return self._of(operand, depth + 1)
        if (name == "flatten" and _is(rest[0] if rest else None, 1)) or (
            name in ("view", "reshape") and _flattens(rest)
        ):
            return flattened(self._of(operand, depth + 1))
        return None

    def through(self, made: Made, given: Width | None, call: ast.AST) -> Width | None:
        """What a layer gives for what it gets; a misfit is noted."""
        name = made.name.rpartition(".")[2]
        if name in _KEEPS:
            return given
        if name == "Flatten":
            return None if made.call.args or made.call.keywords else flattened(given)
        if name == "Sequential":
            return self._sequence(made, given, call)
        return self._sized(name, made, given, call)

    def _sized(self, name: str, made: Made, given: Width | None, call: ast.AST) -> Width | None:
        first = self._number(made, 0, "in_features" if name == "Linear" else "in_channels")
        second = self._number(made, 1, "out_features" if name == "Linear" else "out_channels")
        if name == "Linear":
            fits = given is None or given.kind == CHANNELS or first is None or _fits(given, first)
            result = Width(FEATURES, second, made.call) if second else None
        elif name in _CONVOLUTIONS:
            fits = given is None or given.kind != CHANNELS or first is None or given.size == first
            result = Width(CHANNELS, second, made.call) if second else None
        elif name in _NORMS:
            first = self._number(made, 0, "num_features")
            fits = given is None or given.kind != CHANNELS or first is None or given.size == first
            result = given
        else:
            return None
        if not fits and given is not None and first is not None:
            self.misfits.append(Misfit(made.call, made.source, first, given, call))
        return result

    def _sequence(self, made: Made, given: Width | None, call: ast.AST) -> Width | None:
        layers = self._reading.outputs.layers(made)
        for item in layers:
            found = self._reading.resolver.made(item, made.source)
            given = self.through(found[0], given, call) if len(found) == 1 else None
        return given if layers else None

    def _number(self, made: Made, position: int, name: str) -> int | None:
        return whole(argument(made.call, position, name), made.source, self._reading.resolver)


def _fits(given: Width, wants: int) -> bool:
    return wants % given.size == 0 if given.kind == MULTIPLE else wants == given.size


def flattened(given: Width | None) -> Width | None:
    return None if given is None else Width(MULTIPLE, given.size, given.made)


def _is(node: ast.expr | None, value: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _flattens(arguments: list[ast.expr]) -> bool:
    """`x.view(x.size(0), -1)`, `x.reshape(len(x), -1)`, `x.view(x.shape[0], -1)`."""
    if len(arguments) != 2 or ast.dump(arguments[1]) != _MINUS_ONE:
        return False
    first = arguments[0]
    if isinstance(first, ast.Subscript):
        return isinstance(first.value, ast.Attribute) and first.value.attr == "shape" and _is(first.slice, 0)
    if isinstance(first, ast.Call):
        size = (
            isinstance(first.func, ast.Attribute)
            and first.func.attr == "size"
            and bool(first.args)
            and _is(first.args[0], 0)
        )
        return size or dotted(first.func) == "len"
    return False


_MINUS_ONE = ast.dump(ast.parse("-1", mode="eval").body)


def _replaced(reading: Reading) -> Iterator[str]:
    """Attributes that are assigned on something else than `self`: `model.fc = nn.Linear(…)`."""
    for source in reading.project.sources:
        for name, stores in source.stores.items():
            if any(not isinstance(s.value, ast.Name) or s.value.id != "self" for s in stores):
                yield name


def misfits(reading: Reading, cls: Class) -> Iterator[Misfit]:
    forward = cls.methods.get("forward")
    if forward is None:
        return
    widths = Widths(reading, cls)
    widths.follow(forward.node)
    seen: set[ast.Call] = set()
    for misfit in widths.misfits:
        if misfit.layer not in seen:
            seen.add(misfit.layer)
            yield misfit
