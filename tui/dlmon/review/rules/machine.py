"""What ties a script to one machine, one file or one run: devices, loading, seeds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dlmon.checks.finding import HINT
from dlmon.review.rule import Place, Reading, rule
from dlmon.review.rules.loop_parts import FRAMEWORKS
from dlmon.review.source import Source, argument, keyword, open_ended

_CHECKS = ("is_available", "device_count", "current_accelerator", "is_initialized", "LOCAL_RANK", "local_rank")
_DEVICE = re.compile(r"^(cuda|mps|xpu)(:\d+)?$")


@rule("cuda_without_check", HINT)
def cuda_without_check(reading: Reading) -> Iterator[Place]:
    """A device that is named in the text, and nothing asks whether it is there. Said once."""
    project = reading.project
    if project.mentions(*_CHECKS) or project.imports(*FRAMEWORKS):
        return
    for source in project.sources:
        places = sorted(_devices(source, reading), key=lambda pair: pair[0].lineno)
        if places:
            node, said = places[0]
            yield Place(
                node, source, f"{said} is used without asking whether there is such a device",
                'Choose it once: `device = "cuda" if torch.cuda.is_available() else "cpu"`, and use `.to(device)`.',
                evidence={"places": len(places)},
            )  # fmt: skip
            return


def _devices(source: Source, reading: Reading) -> Iterator[tuple[ast.expr, str]]:
    for call in source.calls.get("cuda", ()):
        if isinstance(call.func, ast.Attribute):
            yield call, ".cuda()"
    for call in [*source.calls.get("to", ()), *source.calls.get("set_default_device", ())]:
        if call.args and _device(call.args[0]):
            yield call, f".to({_device(call.args[0])!r})"
    for call in source.calls.get("device", ()):
        if call.args and _device(call.args[0]) and reading.resolver.library(call.func, source) == "torch.device":
            yield call, f"torch.device({_device(call.args[0])!r})"
    for calls in source.calls.values():
        for call in calls:
            device = keyword(call, "device")
            if device is not None and _device(device):
                yield call, f"device={_device(device)!r}"


def _device(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and _DEVICE.match(value) else ""


@rule("device_hard_coded", HINT)
def device_hard_coded(reading: Reading) -> Iterator[Place]:
    """A GPU by its number, other than the first. Said once."""
    for source in reading.project.sources:
        for node, said in sorted(_devices(source, reading), key=lambda pair: pair[0].lineno):
            number = re.search(r":(\d+)", said)
            if number and int(number.group(1)) > 0:
                yield Place(
                    node, source, f"{said} names one GPU of one machine",
                    "Take the device from the command line, or leave the choice to CUDA_VISIBLE_DEVICES.",
                )  # fmt: skip
                return


@rule("load_without_weights_only", HINT)
def load_without_weights_only(reading: Reading) -> Iterator[Place]:
    """torch.load without weights_only: before torch 2.6 it runs whatever code the file holds."""
    for source, call in reading.project.calls("load"):
        if reading.resolver.library(call.func, source) != "torch.load" or open_ended(call):
            continue
        if keyword(call, "weights_only") is None and argument(call, 0, "f") is not None:
            yield Place(
                call, source,
                "torch.load without weights_only: before torch 2.6 it unpickles anything, since 2.6 "
                "only weights",
                "Say `weights_only=True` for state dicts, `False` for files of your own that hold whole objects.",
            )  # fmt: skip


@rule("no_seed", HINT)
def no_seed(reading: Reading) -> Iterator[Place]:
    """A training without any seed: no two runs are the same."""
    project = reading.project
    if project.imports(*FRAMEWORKS):
        return
    if any("seed" in name.lower() for source in project.sources for name in [*source.calls, *source.reads]):
        return
    trained = [
        call for source in project.sources for call in source.calls.get("backward", ()) if source is project.script
    ]
    anywhere = next(((call, source) for source, call in project.calls("backward")), None)
    if anywhere is not None:
        node, source = (trained[0], project.script) if trained else anywhere
        first = next((n for n in project.script.tree.body if isinstance(n, (ast.Import, ast.ImportFrom))), None)
        yield Place(
            first or node, project.script if first is not None else source,
            "nothing sets a seed: no two runs give the same numbers, and a fault is hard to see again",
            "Call `torch.manual_seed(0)` at the start.",
        )  # fmt: skip
