"""What is known of torch's layers: which hold parameters, which depend on train and eval mode."""

from __future__ import annotations

import ast

from dlmon.review.kinds import Made, Object, Value
from dlmon.review.rule import Reading
from dlmon.review.source import Class

MODULES = frozenset({
    "torch.nn.Module", "pytorch_lightning.LightningModule", "lightning.LightningModule",
})  # fmt: skip
_PARAMETERS = (
    "Linear", "Conv", "LazyLinear", "LazyConv", "Embedding", "LSTM", "GRU", "RNN", "BatchNorm", "LayerNorm",
    "GroupNorm", "InstanceNorm", "RMSNorm", "Bilinear", "MultiheadAttention", "Transformer", "PReLU", "Parameter",
)  # fmt: skip
_MODES = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "BatchNorm", "LazyBatchNorm", "SyncBatchNorm", "RReLU")


def is_module(reading: Reading, cls: Class) -> bool:
    """Whether a class of the project descends from torch's Module, by bases that are all understood."""
    bases = reading.resolver.outside_bases(cls)
    return bool(bases) and "" not in bases and any(base in MODULES for base in bases)


def is_layer(reading: Reading, value: Value) -> bool:
    """Whether assigning it to an attribute registers a module or a parameter."""
    if isinstance(value, Object):
        return value.call is not None and is_module(reading, value.cls)
    return isinstance(value, Made) and _torch_layer(value.name) is not None and not value.name.endswith("Loss")


def has_parameters(reading: Reading, value: Value, depth: int = 0) -> bool:
    """Whether it is a layer with parameters of its own, or in its own layers."""
    if isinstance(value, Object) and depth < 4:
        return is_layer(reading, value) and any(
            has_parameters(reading, inner, depth + 1)
            for cls in reading.resolver.family(value.cls)
            for pairs in cls.attributes.values()
            for expression, _, method in pairs
            if expression is not None
            for inner in reading.resolver.values(expression, method.source)
        )
    if not isinstance(value, Made):
        return False
    name = _torch_layer(value.name)
    if name == "Sequential":
        return any(
            has_parameters(reading, inner, depth + 1)
            for item in reading.outputs.layers(value) if depth < 4
            for inner in reading.resolver.values(item, value.source)
        )  # fmt: skip
    return name is not None and name.startswith(_PARAMETERS)


def _torch_layer(name: str) -> str | None:
    """`Linear` of "torch.nn.Linear"; None for anything that is no class of torch.nn."""
    head, _, short = name.rpartition(".")
    return short if head == "torch.nn" and short[:1].isupper() else None


def depends_on_mode(reading: Reading, value: Value, depth: int = 0) -> ast.AST | None:
    """A layer inside that behaves differently in train and eval mode, where one is seen for certain."""
    if isinstance(value, Made):
        name = _torch_layer(value.name)
        if name is not None and name.startswith(_MODES):
            return value.call
        if name == "Sequential" and depth < 5:
            return _first(reading, [(item, value) for item in reading.outputs.layers(value)], depth)
        return None
    if isinstance(value, Object) and depth < 5:
        for cls in reading.resolver.family(value.cls):
            for pairs in cls.attributes.values():
                for expression, _, method in pairs:
                    for part in [] if expression is None else ast.walk(expression):
                        if not isinstance(part, ast.Call):
                            continue
                        for inner in reading.resolver.values(part, method.source):
                            if isinstance(inner, Object) and inner.cls is value.cls:
                                continue
                            found = depends_on_mode(reading, inner, depth + 1)
                            if found is not None:
                                return found
    return None


def _first(reading: Reading, items: list[tuple[ast.expr, Made]], depth: int) -> ast.AST | None:
    for item, made in items:
        for value in reading.resolver.values(item, made.source):
            found = depends_on_mode(reading, value, depth + 1)
            if found is not None:
                return found
    return None
