"""Which operation an expression's tensor comes out of last: a softmax, a linear layer, an argmax."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from dlmon.review.calls import passed
from dlmon.review.flow import Definition
from dlmon.review.kinds import Made, Object, Routine, Value, Written
from dlmon.review.source import Class, Function, Source
from dlmon.review.values import Resolver

MOST_DEPTH = 16

UNCLEAR = "?"
LINEAR, CONV = "linear", "conv"
SOFTMAX, LOG_SOFTMAX, SIGMOID, LOG_SIGMOID = "softmax", "log_softmax", "sigmoid", "logsigmoid"
ARGMAX, ITEM, DETACH = "argmax", "item", "detach"

# Last names of functions of torch and torch.nn.functional, and of methods of tensors.
_OPERATIONS = {
    "softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX, "sigmoid": SIGMOID, "logsigmoid": LOG_SIGMOID, "linear": LINEAR,
    "relu": "relu", "tanh": "tanh", "gelu": "gelu", "argmax": ARGMAX, "item": ITEM, "tolist": ITEM, "numpy": ITEM,
    "detach": DETACH,
}  # fmt: skip
_LAYERS = {
    "Softmax": SOFTMAX, "LogSoftmax": LOG_SOFTMAX, "Sigmoid": SIGMOID, "LogSigmoid": LOG_SIGMOID, "Linear": LINEAR,
    "LazyLinear": LINEAR, "Bilinear": LINEAR, "Conv1d": CONV, "Conv2d": CONV, "Conv3d": CONV, "ReLU": "relu",
    "Tanh": "tanh", "GELU": "gelu", "LeakyReLU": "relu", "BatchNorm1d": "norm", "LayerNorm": "norm", "ELU": "relu",
}  # fmt: skip
# Neither changes what the numbers mean.
_SAME = frozenset({
    "view", "reshape", "squeeze", "unsqueeze", "flatten", "float", "double", "half", "bfloat16", "to", "cpu", "cuda",
    "contiguous", "permute", "transpose", "clone", "t", "type_as", "type", "expand", "view_as", "reshape_as",
    "requires_grad_", "swapaxes", "movedim", "unflatten",
})  # fmt: skip
_SAME_LAYERS = frozenset({"Dropout", "Identity", "Flatten", "Unflatten", "Dropout1d", "Dropout2d"})


@dataclass(frozen=True)
class Tail:
    """The last operation, and where it stands. kind "?" where the text does not tell."""

    kind: str
    node: ast.AST
    source: Source


class Outputs:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._depth = 0
        self._known: dict[tuple[int, tuple[int, ...]], tuple[Tail, ...]] = {}

    def tails(self, node: ast.expr, source: Source, path: tuple[int, ...] = ()) -> tuple[Tail, ...]:
        """Every operation that the expression's tensor may come out of. path: positions of tuples to follow."""
        key = (id(node), path)
        if key in self._known:
            return self._known[key]
        if self._depth >= MOST_DEPTH:
            return (Tail(UNCLEAR, node, source),)
        self._known[key] = (Tail(UNCLEAR, node, source),)  # what leads back here tells nothing
        self._depth += 1
        try:
            found = tuple(dict.fromkeys(self._look(node, source, path)))
        finally:
            self._depth -= 1
        self._known[key] = found or (Tail(UNCLEAR, node, source),)
        return self._known[key]

    def only(self, node: ast.expr, source: Source, *kinds: str) -> Tail | None:
        """The last operation where it is certainly one of these kinds, on every way."""
        found = self.tails(node, source)
        return found[0] if all(tail.kind in kinds for tail in found) else None

    def from_model(self, node: ast.expr, source: Source, depth: int = 0) -> bool:
        """Whether the expression is certainly what a model gave back, perhaps reshaped."""
        if depth > MOST_DEPTH:
            return False
        if isinstance(node, ast.Name):
            definitions, scope = self._resolver.project.definitions(node, source) or ((), None)
            return bool(definitions and scope) and all(
                made.value is not None
                and made.kind == "assign"
                and self.from_model(made.value, scope.source if scope else source, depth + 1)
                for made in definitions
            )
        if isinstance(node, ast.Subscript):
            return self.from_model(node.value, source, depth + 1)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _SAME:
                return self.from_model(node.func.value, source, depth + 1)
            values = self._resolver.values(node.func, source)
            return all(
                (isinstance(value, Object) and self.is_module(value.cls)) or _is_layer(value) for value in values
            )
        return False

    def is_module(self, cls: Class) -> bool:
        """Whether a class of the project is a torch module, as far as its bases are understood."""
        return any(name in _MODULES for name in self._resolver.outside_bases(cls))

    # ---- the ways

    def _look(self, node: ast.expr, source: Source, path: tuple[int, ...]) -> Iterable[Tail]:
        if isinstance(node, ast.Name):
            return self._name(node, source, path)
        if isinstance(node, ast.Tuple) and path:
            inside = 0 <= path[0] < len(node.elts)
            return self.tails(node.elts[path[0]], source, path[1:]) if inside else ()
        if isinstance(node, ast.Subscript):
            return self._subscript(node, source, path)
        if isinstance(node, ast.IfExp):
            return [*self.tails(node.body, source, path), *self.tails(node.orelse, source, path)]
        if isinstance(node, ast.NamedExpr):
            return self.tails(node.value, source, path)
        if isinstance(node, ast.Attribute) and node.attr in ("data", "T"):
            return (Tail(DETACH, node, source),) if node.attr == "data" else self.tails(node.value, source, path)
        if isinstance(node, ast.Call):
            return self._call(node, source, path)
        return ()

    def _name(self, node: ast.Name, source: Source, path: tuple[int, ...]) -> Iterable[Tail]:
        found = self._resolver.project.definitions(node, source)
        if found is None:
            return ()
        result: list[Tail] = []
        for made in found[0]:
            result.extend(self._defined(made, found[1], path) or (Tail(UNCLEAR, node, source),))
        return result

    def _defined(self, made: Definition, scope: Function, path: tuple[int, ...]) -> Iterable[Tail]:
        if made.kind == "parameter" and not path:
            return self._handed(made, scope)
        if made.kind != "assign" or made.value is None:
            return ()
        return self.tails(made.value, scope.source, (*made.path, *path))

    def _handed(self, made: Definition, scope: Function) -> Iterable[Tail]:
        """What the calls of a function give to one of its parameters, where all of them can be seen."""
        result: list[Tail] = []
        for source, call, bound in self._resolver.callers(scope):
            value = passed(scope, made.name, call, bound)
            if value is None:
                return ()
            result.extend(self.tails(value, source))
        return result

    def _subscript(self, node: ast.Subscript, source: Source, path: tuple[int, ...]) -> Iterable[Tail]:
        index = node.slice
        if isinstance(index, ast.Constant) and isinstance(index.value, int) and self._gives_tuple(node.value, source):
            return self.tails(node.value, source, (index.value, *path))
        return () if path or isinstance(index, ast.Constant) else self.tails(node.value, source)

    def _gives_tuple(self, node: ast.expr, source: Source) -> bool:
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Tuple)
        results = [r for f in self._functions(node, source) for r in self._resolver.results(f)]
        return bool(results) and all(isinstance(result, ast.Tuple) for result in results)

    def _functions(self, node: ast.Call, source: Source) -> list[Function]:
        """The functions of the project that a call may run; none where it may be anything else."""
        found: list[Function] = []
        for value in self._resolver.values(node.func, source):
            if isinstance(value, Routine):
                found.append(value.function)
            elif isinstance(value, Object) and (forward := self.forward(value.cls)) is not None:
                found.append(forward)
            else:
                return []
        return found

    def forward(self, cls: Class) -> Function | None:
        """The `forward` of a module class; None where the class changes how it is called."""
        family = self._resolver.family(cls)
        if any("__call__" in one.methods for one in family):
            return None
        return next((one.methods["forward"] for one in family if "forward" in one.methods), None)

    def _call(self, node: ast.Call, source: Source, path: tuple[int, ...]) -> Iterable[Tail]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        library = self._resolver.library(node.func, source)
        if library.startswith(("torch.", "torch.nn.functional.")):
            return self._operation(library.rpartition(".")[2], node, node.args[:1], source, path)
        if library:
            return ()
        if isinstance(node.func, ast.Attribute) and name in (_SAME | _OPERATIONS.keys()):
            owner = self._resolver.values(node.func.value, source)
            if not any(isinstance(value, (Object, Routine)) or _is_layer(value) for value in owner):
                return self._operation(name, node, [node.func.value], source, path)
        result: list[Tail] = []
        for value in self._resolver.values(node.func, source):
            result.extend(self._through(value, node, source, path) or (Tail(UNCLEAR, node, source),))
        return result

    def _operation(
        self, name: str, node: ast.Call, operands: list[ast.expr], source: Source, path: tuple[int, ...]
    ) -> Iterable[Tail]:
        if path:
            return ()
        if name in _OPERATIONS:
            return (Tail(_OPERATIONS[name], node, source),)
        if name in _SAME | {"dropout"} and operands and not isinstance(operands[0], ast.Starred):
            return self.tails(operands[0], source)
        return ()

    def _through(self, value: Value, node: ast.Call, source: Source, path: tuple[int, ...]) -> Iterable[Tail]:
        if isinstance(value, Object):
            forward = self.forward(value.cls) if self.is_module(value.cls) else None
            return self._returned(forward, path) if forward is not None else ()
        if isinstance(value, Routine):
            return self._returned(value.function, path)
        if isinstance(value, Made) and not path:
            return self.layer(value, node.args[:1], source)
        return ()

    def _returned(self, function: Function, path: tuple[int, ...]) -> Iterable[Tail]:
        result: list[Tail] = []
        body = function.node.body if isinstance(function.node, ast.Lambda) else None
        for expression in [body] if body is not None else self._resolver.results(function):
            if expression is None:
                result.append(Tail(UNCLEAR, function.node, function.source))
            else:
                result.extend(self.tails(expression, function.source, path))
        return result

    def layer(self, made: Made, operands: list[ast.expr], source: Source) -> Iterable[Tail]:
        """What a layer that torch made gives out, applied to the operands."""
        if not made.name.startswith("torch.nn."):
            return ()
        name = made.name.rpartition(".")[2]
        if name in _LAYERS:
            return (Tail(_LAYERS[name], made.call, made.source),)
        if name in _SAME_LAYERS and operands:
            return self.tails(operands[0], source)
        if name == "Sequential":
            return self._sequential(made, source)
        return ()

    def _sequential(self, made: Made, source: Source) -> Iterable[Tail]:
        layers = self.layers(made)
        while layers and (last := layers[-1]):
            values = self._resolver.values(last, made.source)
            if all(isinstance(v, Made) and v.name.rpartition(".")[2] in _SAME_LAYERS for v in values):
                layers.pop()
                continue
            result: list[Tail] = []
            for value in values:
                if isinstance(value, Made):
                    result.extend(self.layer(value, [], source) or (Tail(UNCLEAR, last, made.source),))
                elif isinstance(value, Object) and (forward := self.forward(value.cls)) is not None:
                    result.extend(self._returned(forward, ()))
                else:
                    return ()
            return result
        return ()

    def layers(self, made: Made) -> list[ast.expr]:
        """The layers of a Sequential as far as they are written out; [] where they are not."""
        arguments = list(made.call.args)
        if len(arguments) == 1 and isinstance(arguments[0], ast.Call):
            inner = arguments[0]
            if self._resolver.library(inner.func, made.source) == "collections.OrderedDict" and inner.args:
                items = inner.args[0].elts if isinstance(inner.args[0], (ast.List, ast.Tuple)) else []
                return [i.elts[1] for i in items if isinstance(i, (ast.Tuple, ast.List)) and len(i.elts) == 2]
        found: list[ast.expr] = []
        for item in arguments:
            if not isinstance(item, ast.Starred):
                found.append(item)
                continue
            values = self._resolver.values(item.value, made.source)
            if (
                len(values) != 1
                or not isinstance(values[0], Written)
                or not isinstance(values[0].node, (ast.List, ast.Tuple))
            ):
                return []
            if isinstance(item.value, ast.Name) and _grows(item.value, made.source):
                return []
            found.extend(values[0].node.elts)
        return found


def _grows(name: ast.Name, source: Source) -> bool:
    """Whether something is added to a list of this name: `layers.append(nn.Softmax())`."""
    return any(
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == name.id
        for method in ("append", "extend", "insert", "pop") for call in source.calls.get(method, ())
    )  # fmt: skip


_MODULES = frozenset({"torch.nn.Module", "pytorch_lightning.LightningModule", "lightning.LightningModule"})


def _is_layer(value: Value) -> bool:
    if not isinstance(value, Made) or not value.name.startswith("torch.nn.") or value.name.endswith("Loss"):
        return False
    return value.name.rpartition(".")[2][:1].isupper()
