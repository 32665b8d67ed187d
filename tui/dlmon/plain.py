"""Values as strict JSON can carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """NaN and infinities as the strings "nan", "inf" and "-inf", mappings as dicts, sequences as lists, dataclasses as
    dicts of their fields: JSON has none of these, and evidence is full of them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return plain(vars(value)) if hasattr(value, "__dict__") else value
