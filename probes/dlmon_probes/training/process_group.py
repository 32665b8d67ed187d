"""This process among those that train together."""

from __future__ import annotations

import sys
from typing import Optional


def rank_and_world() -> Optional[tuple[int, int]]:
    """(rank, processes) of torch's default process group; None where there is none or it has one member.

    torch.distributed is looked at only where the program has imported it.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    world = int(distributed.get_world_size())
    return (int(distributed.get_rank()), world) if world > 1 else None
