"""The list of instruments: each is installed by itself, and one that fails leaves the others alone."""

from __future__ import annotations

import importlib

from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

# Each module has `install(agent, loop)`. Order matters where one listener's facts come before another's.
MODULES = (
    "names",
    "saved_states",
    "memory",
    "checksums",
    "data",
    "samples",
    "dataset_state",
    "worker_random",
    "order",
    "schedules",
    "totals",
    "graph",
    "modes",
    "origin",
    "units",
    "terms",
    "next_token",
    "equal_rows",
    "functional_dropout",
    "gradients",
    "activations",
    "first_input",
    "evaluation",
    "progress",
    "scalars",
    "breaks",
    "crash",
    "whereabouts",
)


def install(agent: Agent, loop: Loop) -> None:
    for name in MODULES:
        try:
            importlib.import_module(f"dlmon_probes.training.{name}").install(agent, loop)
        except Exception as error:
            agent.report(name, error)
