"""What the program logs by itself: TensorBoard, wandb, Lightning, transformers. Seen where their calls go in.

A trainer's log call ends in a logger's: only the outermost counts. Values on a device are not waited for.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from typing import Any, Callable, Optional

from dlmon_probes import events
from dlmon_probes.inject import finder
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.fuse import Fuse
from dlmon_probes.training.loop import Loop

MOST_WAITING = 20_000
MOST_NESTED = 4

Values = dict[str, Any]
Reader = Callable[..., "tuple[Values, Optional[int]]"]


class ScalarsProbe:
    """Gathers rows; the writing thread makes events of them, one for each source and step."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._rows: deque[tuple[str, int, events.ScalarRow]] = deque(maxlen=MOST_WAITING)
        self.inside = False

    def log(self, source: str, values: Values, step: Optional[int]) -> None:
        at = self._agent.step
        for tag, value in _flat(values):
            if isinstance(value, (int, float)):
                self._rows.append((source, at, events.ScalarRow(tag, float(value), step)))
            else:
                self._read(source, at, tag, value, step)

    def _read(self, source: str, at: int, tag: str, value: Any, step: Optional[int]) -> None:
        """A tensor, or a number of NumPy's."""
        if type(value).__module__ == "numpy" and getattr(value, "size", 0) == 1:
            self._rows.append((source, at, events.ScalarRow(tag, float(value.item()), step)))
            return
        if getattr(value, "dtype", None) is None or not hasattr(value, "numel") or value.numel() != 1:
            return
        from dlmon_probes.training import tensors

        def done(values: list[list[float]]) -> None:
            if values[0]:
                self._rows.append((source, at, events.ScalarRow(tag, values[0][0], step)))

        with tensors.immune():
            readable = tensors.local(value)
            if readable is not None:
                self._agent.later([readable.reshape(1).float()], done)

    def collect(self) -> None:
        groups: dict[tuple[str, int], list[events.ScalarRow]] = {}
        while self._rows:
            source, at, row = self._rows.popleft()
            groups.setdefault((source, at), []).append(row)
        for (source, at), rows in groups.items():
            self._agent.emit(events.Scalars(time.time(), source, at, rows))

    def wrap(self, cls: Any, name: str, source: str, read: Reader) -> None:
        """Wrap a class's log method. `read` gets its arguments and returns (values by tag, step)."""
        original = getattr(cls, name, None)
        if original is None:
            return
        fuse = Fuse(self._agent, f"scalars of {source}")

        @functools.wraps(original)
        def logging(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return original(*args, **kwargs)
            self.inside = True
            try:
                noted = fuse.run(read, *args, **kwargs)
                if noted is not None:
                    fuse.run(self.log, source, *noted)
                return original(*args, **kwargs)
            finally:
                self.inside = False

        setattr(cls, name, logging)


def _flat(values: Values, prefix: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for tag, value in list(values.items()):
        name = f"{prefix}{tag}"
        if isinstance(value, dict) and depth < MOST_NESTED:
            found += _flat(value, f"{name}/", depth + 1)
        elif not isinstance(value, (str, bytes)):
            found.append((name, value))
    return found


def _step(step: Any) -> Optional[int]:
    return int(step) if isinstance(step, (int, float)) else None


# ---------------------------------------------------------------- the loggers


def _add_scalar(_writer: Any, tag: str, scalar_value: Any, global_step: Any = None, *_: Any, **__: Any) -> Any:
    return {tag: scalar_value}, _step(global_step)


def _add_scalars(
    _writer: Any, main_tag: str, tag_scalar_dict: Values, global_step: Any = None, *_: Any, **__: Any
) -> Any:
    return {main_tag: tag_scalar_dict}, _step(global_step)


def _wandb_log(_run: Any, data: Values, step: Any = None, *_: Any, **__: Any) -> Any:
    return data, _step(step)


def _lightning_log(_connector: Any, metrics: Values, step: Any = None, *_: Any, **__: Any) -> Any:
    known = metrics.get("step") if step is None else step
    return {tag: value for tag, value in metrics.items() if tag not in ("epoch", "step")}, _step(known)


def _transformers_log(trainer: Any, logs: Values, *_: Any, **__: Any) -> Any:
    return logs, _step(getattr(getattr(trainer, "state", None), "global_step", None))


def install(agent: Agent, _loop: Loop) -> None:
    probe = ScalarsProbe(agent)
    agent.channel.add_source("scalars", probe.collect)

    def watch(module: str, cls: str, source: str, **readers: Reader) -> None:
        def patch() -> None:
            import sys

            owner = getattr(sys.modules[module], cls, None)
            for name, read in readers.items():
                probe.wrap(owner, name, source, read)

        finder.watch(module, after=patch)

    for module in ("torch.utils.tensorboard.writer", "tensorboardX.writer"):
        watch(module, "SummaryWriter", "tensorboard", add_scalar=_add_scalar, add_scalars=_add_scalars)
    watch("wandb.sdk.wandb_run", "Run", "wandb", log=_wandb_log)
    for package in ("lightning.pytorch", "pytorch_lightning"):
        module = f"{package}.trainer.connectors.logger_connector.logger_connector"
        watch(module, "_LoggerConnector", "lightning", log_metrics=_lightning_log)
    watch("transformers.trainer", "Trainer", "transformers", log=_transformers_log)
