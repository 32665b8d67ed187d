"""Conditions that the training can judge by itself, at the very step: written as nested lists for the probes.

Those that speak only of the loss, the gradient norm, the learning rate and the step, and of their last values. The
others need a history, an evaluation or a logger, which the watcher beside the run puts together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlmon.watch import tree
from dlmon.watch.orders import BREAK, Orders

FILE = "watch.json"
FACTS = frozenset({"loss", "grad_norm", "lr", "step"})


def as_lists(node: tree.Node) -> Any | None:
    """The tree for `dlmon_probes.training.condition`; None where the training cannot judge it."""
    if isinstance(node, tree.Literal):
        return node.value
    if isinstance(node, tree.Fact):
        return node.name if node.name in FACTS else None
    if isinstance(node, tree.Call):
        return ["nonfinite", node.fact.name] if node.method == "nonfinite" and node.fact.name in FACTS else None
    if isinstance(node, tree.Comparison):
        parts = _all(node.parts)
        return ["compare", parts, list(node.signs)] if parts is not None else None
    word, inner = _word(node)
    parts = _all(inner)
    return [word, *parts] if parts is not None else None


def _word(node: tree.Node) -> tuple[str, Sequence[tree.Node]]:
    if isinstance(node, tree.Negative):
        return "neg", (node.part,)
    if isinstance(node, tree.Not):
        return "not", (node.part,)
    if isinstance(node, tree.Arithmetic):
        return node.sign, (node.left, node.right)
    assert isinstance(node, tree.Joined)
    return node.word, node.parts


def _all(nodes: Sequence[tree.Node]) -> list[Any] | None:
    made = [as_lists(node) for node in nodes]
    return None if any(part is None for part in made) else made


def write(folder: Path, orders: Orders) -> None:
    """Leave the conditions where the training finds them. It judges those for breaks: a stop waits for the watcher, and
    a training that stood still for a watcher that was killed would stand for ever. Raises OSError."""
    rows = [
        {"action": action, "text": condition.text, "tree": as_lists(condition.root) if action == BREAK else None}
        for action, condition in orders.conditions()
    ]
    made = folder / (FILE + ".new")
    made.write_text(json.dumps(rows), encoding="utf-8")
    made.rename(folder / FILE)  # the training may look at any moment
