"""Starts the agent in a Python process that dlmon's environment reached, long before torch is imported.

Most of the processes that come here are bystanders (loader workers, compile workers, launchers, `git` hooks): until
torch is imported this costs one import hook and a mapped page, and writes no file.
"""

from __future__ import annotations

import os

from dlmon_probes import control
from dlmon_probes.inject import finder


def start(run: str) -> None:
    """Arm the import hooks for the run in folder `run`. Does nothing when the folder is gone."""
    try:
        page = control.ControlPage(run)
    except (OSError, ValueError):
        return
    page.raise_stage(control.STAGE_PYTHON)

    def before_torch() -> None:
        page.raise_stage(control.STAGE_IMPORTING_TORCH)

    def after_torch() -> None:
        page.raise_stage(control.STAGE_TORCH_READY)
        from dlmon_probes.training.install import install

        install(run, page, overhead())

    finder.watch("torch", before=before_torch, after=after_torch)
    finder.arm()


def overhead() -> float:
    """The budget of the probes as a share of the training's own time (DLMON_OVERHEAD), 0.01 when it is not given."""
    try:
        return float(os.environ["DLMON_OVERHEAD"])
    except (KeyError, ValueError):
        return 0.01
