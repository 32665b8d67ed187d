"""engine: synthetic data that can be learned, through the script's own loop: model, loss and optimizer on their own."""

from __future__ import annotations

from typing import Any, Callable, Optional

from dlmon_probes.stages.data import batches, roles, sources
from dlmon_probes.stages.data.model_inputs import ModelInputs
from dlmon_probes.stages.data.synthetic import Synthetic
from dlmon_probes.stages.learning import Learning
from dlmon_probes.stages.loaders import Known


class Engine(Learning):
    HOW = "synthetic"
    CLOSE = 0.25

    def install(self) -> None:
        super().install()
        self._makers: dict[int, Any] = {}  # by loader number
        self._roles: Optional[roles.Roles] = None
        self._replay: Any = None
        self._replaced = False
        self._inputs = ModelInputs(self.agent)

    def give(self, known: Known, kept: batches.Frozen) -> Callable[[], Any]:
        maker = self._makers.get(known.number)
        return maker.draw if maker is not None else kept.copy

    def begin(self, loss: Any, known: Optional[Known]) -> None:
        if known is None:
            self._replay = sources.Replay(self.agent, self.change, indexing=True)
            self._replay.substitute(loss, self.plan.seed)
            self.tell_data(None, "replay", self._replay.trouble)
        else:
            self._from_loader(loss, known)
        self.forget_losses()

    def _from_loader(self, loss: Any, known: Known) -> None:
        kept = self._kept[known.number]
        found = roles.roles_of(kept.leaves, loss, self._inputs.last())
        self._inputs.close()
        trouble = found.reason if found.kind == "unknown" else ""
        if not trouble:
            self._makers[known.number] = Synthetic(kept, found, self.plan.seed)
        self.tell_data(kept, "loader", trouble, found.by_path())
        if trouble:
            self.ending.end("not applicable", trouble)

    def on_backward_done(self) -> None:
        if self._replay is not None:
            self._replay.after_backward()

    def on_step(self, steps: int) -> None:
        if self._replay is not None:
            self._replay.after_step()
            if self._replay.roles and not self._replaced:  # found a few backwards after the first one
                self._replaced = True
                self.forget_losses()
            if self._replay.trouble:
                self.tell_data(None, "replay", self._replay.trouble)
                self.ending.end("not applicable", self._replay.trouble)
        super().on_step(steps)
