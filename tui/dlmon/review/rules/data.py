"""Data loaders and image transforms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dlmon.checks.finding import HINT, WARNING
from dlmon.review.kinds import Made, Object
from dlmon.review.rule import Place, Reading, rule
from dlmon.review.rules.loop_parts import FRAMEWORKS
from dlmon.review.source import LOOPS, Source, argument, dotted, keyword, open_ended

LOADER = "torch.utils.data.DataLoader"
_TRAIN = re.compile(r"(^|_)(train|training|trn)(_|$|[A-Z\d]|loader|dl)", re.IGNORECASE)
_TEST = re.compile(r"(^|_)(val|valid|validation|test|eval|dev)(_|$|[A-Z\d]|loader|dl|iter)", re.IGNORECASE)


def loaders(reading: Reading) -> Iterator[tuple[ast.Call, Source, str]]:
    """Every DataLoader that is made, with the name it gets ("" without one)."""
    for source, call in reading.project.calls("DataLoader"):
        if reading.resolver.library(call.func, source) != LOADER:
            continue
        statement = source.statement(call)
        name = ""
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
            if value is call:
                name = dotted(target)
            elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and call in value.elts:
                name = dotted(target.elts[value.elts.index(call)]) if len(target.elts) == len(value.elts) else ""
        yield call, source, name.rpartition(".")[2]


def _has_order(call: ast.Call) -> bool:
    """Whether the call says in which order samples come, beyond a plain shuffle=False."""
    return open_ended(call) or len(call.args) > 3 or any(k.arg in ("sampler", "batch_sampler") for k in call.keywords)


@rule("train_not_shuffled", HINT)
def train_not_shuffled(reading: Reading) -> Iterator[Place]:
    """A training loader that gives the samples in the order of the data set."""
    for call, source, name in loaders(reading):
        shuffle = argument(call, 2, "shuffle")
        off = shuffle is None or (isinstance(shuffle, ast.Constant) and not shuffle.value)
        if not off or _has_order(call) or not _TRAIN.search(name) or not _sized(call, source, reading):
            continue
        yield Place(
            call, source,
            f"{name} does not shuffle: every epoch sees the same order, and data sorted by class "
            "trains badly",
            "Add `shuffle=True`.",
        )  # fmt: skip


def _sized(call: ast.Call, source: Source, reading: Reading) -> bool:
    """Whether the data set is known, and is none that streams."""
    given = argument(call, 0, "dataset")
    if given is None:
        return False
    for value in reading.resolver.values(given, source):
        if isinstance(value, Object):
            family = reading.resolver.family(value.cls)
            if any("__iter__" in cls.methods for cls in family) or not any(
                "__getitem__" in cls.methods for cls in family
            ):
                return False
        elif not isinstance(value, Made) or not value.name.startswith(("torch.utils.data.", "torchvision.datasets.")):
            return False
    return True


@rule("test_shuffled", HINT)
def test_shuffled(reading: Reading) -> Iterator[Place]:
    """An evaluation loader that shuffles."""
    for call, source, name in loaders(reading):
        shuffle = argument(call, 2, "shuffle")
        if (
            isinstance(shuffle, ast.Constant)
            and shuffle.value is True
            and _TEST.search(name)
            and not _TRAIN.search(name)
        ):
            yield Place(
                call, source,
                f"{name} shuffles: predictions come in another order each time, and drop_last leaves "
                "out other samples",
                "Leave shuffle out for evaluation.",
            )  # fmt: skip


@rule("workers_without_main_guard", HINT)
def workers_without_main_guard(reading: Reading) -> Iterator[Place]:
    """A loader with worker processes, used at the top level of the script."""
    source = reading.project.script
    for call, where, name in loaders(reading):
        workers = argument(call, 5, "num_workers")
        if (
            where is not source
            or not isinstance(workers, ast.Constant)
            or not workers.value
            or source.scope(call).outer is not None
        ):
            continue
        if not name or _guarded(call, source):
            continue
        used = [node for node in source.loads.get(name, ()) if source.scope(node).outer is None
                and isinstance(source.enclosing(node, *LOOPS), ast.For) and not _guarded(node, source)]  # fmt: skip
        context = keyword(call, "multiprocessing_context")
        spawns = (isinstance(context, ast.Constant) and context.value == "spawn") or _spawns(reading)
        if used:
            yield Place(
                call, source,
                "the loader starts worker processes at the top level of the script: where processes are spawned "
                + ("(as this script asks for) " if spawns else "(macOS, Windows) ") + "each worker runs the whole "
                                                                                      "script again and fails",
                "Put the training into a function and call it under `if __name__ == \"__main__\":`.",
                WARNING if spawns else None,
            )  # fmt: skip


def _spawns(reading: Reading) -> bool:
    return any(
        call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value in ("spawn", "forkserver")
        for _, call in reading.project.calls("set_start_method")
    )


def _guarded(node: ast.AST, source: Source) -> bool:
    """Whether it stands under `if __name__ == …`."""
    block = source.enclosing(node, ast.If)
    while isinstance(block, ast.If):
        if any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(block.test)):
            return True
        block = source.enclosing(block, ast.If)
    return False


@rule("images_not_normalised", HINT)
def images_not_normalised(reading: Reading) -> Iterator[Place]:
    """Image transforms that end in ToTensor: values from 0 to 1, not centred."""
    if reading.project.mentions("Normalize", "normalize", "BatchNorm2d", "sub_", "std") or reading.project.imports(
        *FRAMEWORKS
    ):
        return
    for source, call in reading.project.calls("Compose"):
        name = reading.resolver.library(call.func, source)
        steps = call.args[0].elts if call.args and isinstance(call.args[0], (ast.List, ast.Tuple)) else []
        last = reading.resolver.library(steps[-1].func, source) if steps and isinstance(steps[-1], ast.Call) else ""
        if name.startswith("torchvision.transforms") and last.endswith(".ToTensor") and len(steps) > 1:
            yield Place(
                call, source, "images are scaled to 0…1 but not centred, and the model has no batch norm",
                "Add `transforms.Normalize(mean, std)` of the training data after ToTensor().",
            )  # fmt: skip
            return
