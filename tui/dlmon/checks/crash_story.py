"""What a crash is told as, and the words that all its tellers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dlmon_probes import events

Match = re.Match[str]


@dataclass(frozen=True)
class Story:
    """A crash in one sentence, and what to do."""

    title: str
    advice: str


Teller = Callable[[Match, events.Crash], "Story | None"]
Tellers = Iterable[tuple[re.Pattern[str], Teller]]


def told_by(tellers: Tellers, crash: events.Crash) -> Story | None:
    """The story of the first teller whose pattern the message has; None where it is of no known form."""
    for pattern, tell in tellers:
        match = pattern.search(crash.message)
        story = tell(match, crash) if match else None
        if story is not None:
            return story
    return None


def always(title: str, advice: str) -> Teller:
    """A teller that needs nothing of the message; `{layer}` stands for the failing module."""

    def tell(_match: Match, crash: events.Crash) -> Story:
        layer = layer_of(crash)
        return Story(title.replace("{layer}", layer), advice.replace("{layer}", layer))

    return tell


def layer_of(crash: events.Crash) -> str:
    module = crash.module
    if module is None:
        return "the layer"
    if module.name.rpartition(".")[2].isdigit():  # a number in a Sequential says little
        return f"{module.name} ({module.cls})"
    return module.name or f"the {module.cls}"


def input_of(crash: events.Crash) -> events.TensorFacts | None:
    """The first tensor that the failing module was given."""
    module = crash.module
    return module.inputs[0].facts if module and module.inputs else None


def loss_inputs(crash: events.Crash) -> tuple[events.TensorFacts | None, events.TensorFacts | None]:
    """(prediction, target) as a loss function was given them: its module's, or those of its innermost frame."""
    found: dict[str, events.TensorFacts] = {}
    for named in _in_reach(crash):
        found.setdefault(named.path, named.facts)
    return found.get("input"), found.get("target")


def _in_reach(crash: events.Crash) -> Iterator[events.NamedTensor]:
    if crash.module is not None:
        yield from crash.module.inputs
    for frame in reversed(crash.frames):
        yield from frame.tensors


def name_in_user_frame(crash: events.Crash, facts: events.TensorFacts | None) -> str | None:
    """What the user's innermost frame with tensors calls a tensor: the only one there of this shape and type."""
    if facts is None:
        return None
    for frame in reversed(crash.frames):
        if frame.user and frame.tensors:
            names = [n.path for n in frame.tensors if (n.facts.shape, n.facts.dtype) == (facts.shape, facts.dtype)]
            return names[0] if len(names) == 1 else None
    return None


def sizes(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)][:12]


def x(shape: Iterable[int]) -> str:
    return "×".join(str(n) if n >= 0 else "?" for n in shape) or "scalar"
