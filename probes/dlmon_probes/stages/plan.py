"""What the driver asks of a stage: travels to every process of the run in one environment variable."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Optional

VARIABLE = "DLMON_STAGE"
FILES = "files"  # folder in the run folder that takes what the script writes
JOURNAL = "files.jsonl"  # what was written, one JSON object a line: see `stages.overlay`

SMOKE, REPEAT, ENGINE, OVERFIT, LR, SUBSET, FULL = "smoke", "repeat", "engine", "overfit", "lr", "subset", "full"


@dataclass(frozen=True)
class Plan:
    """One stage's orders.

    train_batches, eval_batches: of each loader in smoke. steps: optimizer steps after which the stage ends (0: no
    limit). finish_seconds: how long smoke lets the script go on to its own end after its first epoch. fraction: of the
    training data in subset. lr_low, lr_high: the sweep's ends. compile: torch.compile is left on. hold: wait after
    torch's import until the control page's RELEASED word is set, as long as process `driver` lives.
    leave: end the stage, too, when that process is gone.
    """

    name: str
    train_batches: int = 2
    eval_batches: int = 1
    steps: int = 0
    finish_seconds: float = 10.0
    fraction: float = 0.1
    seed: int = 0
    lr_low: float = 1e-7
    lr_high: float = 10.0
    compile: bool = False
    hold: bool = False
    driver: int = 0
    leave: bool = False

    def encoded(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def from_environment() -> Optional[Plan]:
    """The plan of this process; None outside of rehearsals, and for a text that is none."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        row = json.loads(text)
        known = {field.name for field in fields(Plan)}
        return Plan(**{name: value for name, value in row.items() if name in known})
    except (ValueError, TypeError, AttributeError):
        return None
