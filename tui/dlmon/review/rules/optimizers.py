"""What an optimizer is given, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dlmon.checks.finding import ERROR, HINT, WARNING
from dlmon.review.events import STEP
from dlmon.review.kinds import Made, Object, Value, Written
from dlmon.review.layers import has_parameters, is_layer
from dlmon.review.rule import Place, Reading, at, rule
from dlmon.review.rules.loop_parts import FRAMEWORKS, made_optimizers
from dlmon.review.source import Source, argument, dotted, keyword


@rule("optimizer_arguments", ERROR)
def optimizer_arguments(reading: Reading) -> Iterator[Place]:
    """`Adam(model)` or `Adam(model.parameters)`: no parameters at all."""
    for source, call in made_optimizers(reading):
        if not reading.resolver.library(call.func, source).startswith("torch.optim."):
            continue
        given = argument(call, 0, "params")
        if given is None:
            continue
        if isinstance(given, ast.Attribute) and given.attr in ("parameters", "named_parameters"):
            named = all(is_layer(reading, v) for v in reading.resolver.values(given.value, source))
            if named:
                yield Place(
                    given, source,
                    f"the optimizer gets the method {given.attr} and not what it returns: torch "
                    "raises here",
                    f"Write `{dotted(given)}()`.",
                )  # fmt: skip
        elif isinstance(given, ast.Name) and all(
            is_layer(reading, v) and not _iterable(v) for v in reading.resolver.values(given, source)
        ):
            yield Place(
                given, source, "the optimizer gets the model and not its parameters: torch raises here",
                f"Write `{given.id}.parameters()`.",
            )  # fmt: skip


def _iterable(value: Value) -> bool:
    """Whether torch could go over it: a ParameterList, a Sequential, a class with an __iter__."""
    if isinstance(value, Object):
        return "__iter__" in value.cls.methods
    return isinstance(value, Made) and value.name.rpartition(".")[2].startswith(("Parameter", "Module", "Sequential"))


@rule("layer_replaced_after_optimizer", ERROR)
def layer_replaced_after_optimizer(reading: Reading) -> Iterator[Place]:
    """A part of the model is replaced when the optimizer already holds the old one."""
    if reading.project.mentions("add_param_group"):
        return
    for source, call in made_optimizers(reading):
        statement = source.statement(call)
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        optimizer = dotted(statement.targets[0])
        scope = source.scope(call)
        steps = [
            getattr(event.trail or event.node, "lineno", 0)
            for event in reading.traces.of(scope) if event.kind == STEP and event.on == optimizer
        ]  # fmt: skip
        later = _after(statement, source)
        if not optimizer or not steps:
            continue
        remade = min((s.lineno for s in later if _assigns(s, optimizer)), default=10**9)
        for model in _models(call):
            for one in later:
                place = _replaces(one, model, source, reading)
                if place is not None and one.lineno < remade and any(line > one.lineno for line in steps):
                    yield Place(
                        one, source,
                        f"{place} is replaced after the optimizer was made ({at(call, source, source)}): it holds "
                        "the old "
                        "parameters, the new ones never train",
                        "Make the optimizer after the last change to "
                        "the model.", evidence={"optimizer": at(call, source)},
                    )  # fmt: skip


def _after(statement: ast.stmt, source: Source) -> list[ast.stmt]:
    """The statements that follow in the same block."""
    parent = source.parents.get(statement)
    for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
        if isinstance(block, list) and any(item is statement for item in block):
            index = next(i for i, item in enumerate(block) if item is statement)
            return [item for item in block[index + 1 :] if isinstance(item, ast.stmt)]
    return []


def _assigns(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, ast.Assign) and any(dotted(target) == name for target in statement.targets)


def _models(call: ast.Call) -> list[str]:
    """The expressions whose parameters an optimizer gets: `model` of `filter(f, model.parameters())`."""
    found = {
        dotted(node.func.value): None
        for item in [*call.args, *(k.value for k in call.keywords)] for node in ast.walk(item)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("parameters", "named_parameters")
    }  # fmt: skip
    return [name for name in found if name]


def _replaces(statement: ast.stmt, model: str, source: Source, reading: Reading) -> str | None:
    """`model.fc = nn.Linear(…)`: what is replaced by something new that has parameters."""
    if (
        not isinstance(statement, ast.Assign)
        or len(statement.targets) != 1
        or not isinstance(statement.value, ast.Call)
    ):
        return None
    target = dotted(statement.targets[0])
    if target != model and not target.startswith(f"{model}."):
        return None
    if any(isinstance(part, ast.Name) and part.id == model.split(".")[0] for part in ast.walk(statement.value)):
        return None if target == model else _new(statement.value, target, source, reading, model)
    return _new(statement.value, target, source, reading, model)


def _new(value: ast.expr, target: str, source: Source, reading: Reading, model: str) -> str | None:
    """The target where the value is a layer that is made right here; `model.fc.in_features` may be read for it, the
    old layer may not be part of the new one."""
    if not isinstance(value, ast.Call):
        return None
    for part in ast.walk(value):
        name = dotted(part) if isinstance(part, (ast.Name, ast.Attribute)) else ""
        parent = source.parents.get(part)
        part_of_name = isinstance(parent, ast.Attribute) and (name == model or _reads_size(parent))
        if name in (target, model) and not part_of_name:
            return None
    values = reading.resolver.values(value, source)
    made_here = all(getattr(v, "call", None) is value for v in values)
    return target if made_here and all(has_parameters(reading, v) for v in values) else None


def _reads_size(node: ast.Attribute) -> bool:
    return node.attr.startswith(("in_", "out_", "num_", "embedding_dim", "hidden_size"))


@rule("optimizer_of_one_part", HINT)
def optimizer_of_one_part(reading: Reading) -> Iterator[Place]:
    """An optimizer that gets one layer of a model, where nothing says that the rest is frozen."""
    project = reading.project
    if project.mentions("requires_grad", "requires_grad_", "no_grad", "add_param_group", "detach") or project.imports(
        *FRAMEWORKS
    ):
        return
    optimizers = list(made_optimizers(reading))
    if len(optimizers) != 1:
        return
    source, call = optimizers[0]
    models = _models(call)
    given = argument(call, 0, "params")
    if (
        len(models) != 1
        or "." not in models[0]
        or not isinstance(given, ast.Call)
        or dotted(given.func) != f"{models[0]}.parameters"
    ):
        return
    on = (
        given.func.value.value
        if isinstance(given.func, ast.Attribute) and isinstance(given.func.value, ast.Attribute)
        else None
    )
    if on is None or dotted(on) == "self":
        return
    for value in reading.resolver.values(on, source):
        if not isinstance(value, Object):
            return
        others = [
            name for name, pairs in value.cls.attributes.items() for expression, _, method in pairs
            if f"{dotted(on)}.{name}" != models[0] and expression is not None
            and all(has_parameters(reading, v) for v in reading.resolver.values(expression, method.source))
        ]  # fmt: skip
        if others:
            yield Place(
                call, source,
                f"the optimizer holds only {models[0]}; {', '.join(others[:3])} of the same model do "
                "not train",
                f"Give it `{dotted(on)}.parameters()`, or freeze the rest with requires_grad_(False) to say so.",
            )  # fmt: skip
            return


ADAM_TOO_HIGH = (
    0.5  # Adam moves each weight by about lr per step; initial weights of nn.Linear(256, …) are below 0.0625
)
_ADAMS = frozenset({f"torch.optim.{name}" for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop")})


@rule("lr_too_high", WARNING)
def lr_too_high(reading: Reading) -> Iterator[Place]:
    """Adam with a learning rate larger than the weights themselves."""
    if reading.project.mentions("LambdaLR", "param_groups", "lr_scheduler", "OneCycleLR") or reading.project.imports(
        *FRAMEWORKS
    ):
        return
    for source, call in made_optimizers(reading):
        name = reading.resolver.library(call.func, source)
        given = argument(call, 1, "lr")
        if name not in _ADAMS or given is None or not _models(call):
            continue
        rate, by_default = _rate(given, source, reading)
        if rate is not None and rate >= ADAM_TOO_HIGH:
            short = name.rpartition(".")[2]
            yield Place(
                call, source,
                f"{short} with lr {rate:g}{' by default' if by_default else ''} moves every weight by about "
                f"{rate:g} per step, "
                "more than most weights are large",
                "Start from 1e-3.", evidence={"lr": rate},
            )  # fmt: skip


def _rate(node: ast.expr, source: Source, reading: Reading) -> tuple[float | None, bool]:
    """A learning rate that the text gives, and whether it is only the default of a command-line option."""
    values = reading.resolver.values(node, source)
    if len(values) == 1 and isinstance(values[0], Written):
        return _float(values[0].node), False
    if isinstance(node, ast.Attribute):
        for other, call in reading.project.calls("add_argument", "option"):
            named = any(
                isinstance(a, ast.Constant) and a.value == f"--{node.attr.replace('_', '-')}" for a in call.args
            )
            named = named or any(isinstance(a, ast.Constant) and a.value == f"--{node.attr}" for a in call.args)
            default = keyword(call, "default") if named and other in reading.project.sources else None
            if default is not None:
                return _float(default), True
    return None, False


def _float(node: ast.expr) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
