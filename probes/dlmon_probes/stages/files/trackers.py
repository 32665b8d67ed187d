"""Experiment trackers during a rehearsal: offline, and into the run's folder. Set by the driver for the child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

_OFF = ("disabled", "dryrun", "debug", "offline")


def environment(run: str, base: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """Variables to add to the child's environment. run: the stage's run folder. base: the user's environment (default:
    this process's).

    A tracker that the user has switched off stays off. What a script passes to `init(mode="online")` itself is
    stronger than these variables.
    """
    base = os.environ if base is None else base
    modes = {"WANDB_MODE": "offline", "NEPTUNE_MODE": "offline", "SWANLAB_MODE": "offline"}
    chosen = {name: mode for name, mode in modes.items() if base.get(name) not in _OFF}
    return {
        **chosen,
        "WANDB_DIR": run,  # its writer is a program of its own, which knows no overlay
        "MLFLOW_TRACKING_URI": f"file://{run}/mlruns",
        "COMET_OFFLINE_DIRECTORY": run,
        "COMET_START_ONLINE": "0",  # of comet_ml.start(); Experiment() itself goes online
        "CLEARML_OFFLINE_MODE": "1",
        "SWANLAB_LOG_DIR": f"{run}/swanlog",
    }
