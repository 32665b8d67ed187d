"""subset: a seeded part of the training data, the same in every pass, with the script's own evaluation."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.stages.data import subset
from dlmon_probes.stages.loaders import Pass
from dlmon_probes.stages.stage import Stage


class Part(Stage):
    def install(self) -> None:
        super().install()
        self._part = subset.install(self.agent, self.plan)
        self._looked = False

    def limit(self, current: Pass, grad: bool) -> Optional[int]:
        """Evaluation is the script's own, whole. Training loaders that could not be made smaller are cut."""
        known = current.loader
        if not grad or not known.trained or not current.backwards:
            return None
        loader = current.iterated()
        return None if loader is None else self._part.limit_for(loader)

    def on_backward(self, _loss: Any, _series: int) -> None:
        if self._looked:
            return
        self._looked = True
        if not self.loaders.pulls:
            self.ending.end("not applicable", "the script has no DataLoader: a part of its data cannot be taken")
