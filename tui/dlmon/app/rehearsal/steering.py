"""The controls of a running stage: those of any run, with everything sampled at each single step."""

from __future__ import annotations

from dlmon.app.control import TrainingControl
from dlmon_probes.control import SAMPLE_REQUEST


class StageControl(TrainingControl):
    """Who goes one step at a time wants to see the gradients of each."""

    def one_step(self) -> str:
        page = self._open()
        if page is not None:
            page.add(SAMPLE_REQUEST)
        return super().one_step()

    def toggle_pause(self) -> str:
        page = self._open()
        if page is not None:
            page.add(SAMPLE_REQUEST)
        return super().toggle_pause()
