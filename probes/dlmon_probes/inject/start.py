"""Starts the agent in a Python process that dlmon's environment reached, long before torch is imported.

Most of the processes that come here are bystanders (loader workers, compile workers, launchers, `git` hooks): until
torch is imported this costs one import hook and a mapped page, and writes no file.
"""

from __future__ import annotations

import os
from typing import Any

from dlmon_probes import control
from dlmon_probes.inject import early_crash, finder


def start(run: str) -> None:
    """Arm the import hooks for the run in folder `run`. Does nothing when the folder is gone."""
    try:
        page = control.ControlPage(run)
    except (OSError, ValueError):
        return
    page.raise_stage(control.STAGE_PYTHON)
    stage = _stage(run, page)

    def before_torch() -> None:
        page.raise_stage(control.STAGE_IMPORTING_TORCH)

    def after_torch() -> None:
        page.raise_stage(control.STAGE_TORCH_READY)
        from dlmon_probes.training.install import install

        if stage is None:
            install(run, page, overhead())
        else:
            stage.after_torch()
            install(run, page, overhead(), stage.before_instruments)

    early_crash.watch(run)
    finder.watch("torch", before=before_torch, after=after_torch)
    finder.arm()


def _stage(run: str, page: control.ControlPage) -> Any:
    """This process's part in a stage of a rehearsal, None where there is none. From here on what the program writes
    goes into the run folder."""
    if "DLMON_STAGE" not in os.environ:
        return None
    from dlmon_probes.stages.files import overlay
    from dlmon_probes.stages.install import rehearsal

    found = rehearsal(run, page)
    if found is not None:
        overlay.install(run, os.getcwd())
    return found


def overhead() -> float:
    """The budget of the probes as a share of the training's own time (DLMON_OVERHEAD), 0.01 when it is not given."""
    try:
        return float(os.environ["DLMON_OVERHEAD"])
    except (KeyError, ValueError):
        return 0.01
