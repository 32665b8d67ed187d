"""What a sampler of accelerators offers, whoever makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dlmon_probes.events import Gpu


class Accelerator(Protocol):
    """Samples the machine's accelerators. No method raises; a value that cannot be read is None, never 0."""

    def uuids(self) -> list[str]:
        """Names of the devices that stay the same over restarts and reorderings."""
        ...

    def sample(self, pids: Sequence[int]) -> tuple[list[Gpu], str]:
        """All devices, with the memory that `pids` hold; and one line that says why there are none, else ""."""
        ...
