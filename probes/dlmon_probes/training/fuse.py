"""Fail open for what is called from patched functions: the first failure is reported and switches the probe off."""

from __future__ import annotations

from typing import Any, Callable

from dlmon_probes.training.agent import Agent


class Fuse:
    """Runs a probe's functions until one of them fails."""

    __slots__ = ("_agent", "_probe", "blown")

    def __init__(self, agent: Agent, probe: str) -> None:
        self._agent = agent
        self._probe = probe
        self.blown = False

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What the function returns; None once the fuse has blown. KeyboardInterrupt and SystemExit pass through."""
        if self.blown:
            return None
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.blown = True
            self._agent.report(self._probe, error)
            return None
