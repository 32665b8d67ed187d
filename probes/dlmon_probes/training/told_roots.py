"""Which `model` line of the log tells of a module."""

from __future__ import annotations

from typing import Any, Optional

from dlmon_probes.training.names import Names, own_parameters, walk


def root_of(names: Optional[Names], module: Any) -> Optional[int]:
    """Number of the root that a module's parameters were told under; None where they were not yet.

    Found by the first parameter: wrappers and parts of a model hold the same ones, and numbers of models that are gone
    are given again.
    """
    first = next((parameter for _, part in walk(module) for _, parameter in own_parameters(part)), None)
    p = names.index(first) if names is not None and first is not None else None
    if names is None or p is None:
        return None
    told: dict[int, Any] = names._told
    return next((root for root, rows in told.items() if any(row.p == p for row in rows)), None)
