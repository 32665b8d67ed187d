"""Every kind of line there is, by its name in the log."""

from __future__ import annotations

from typing import Any

from dlmon_probes import (
    events,
    events_data,
    events_loop,
    events_machine,
    events_model,
    events_predictions,
    events_watch,
)

KINDS: dict[str, type[Any]] = {
    **events.KINDS,
    **{
        cls.kind: cls
        for cls in (
            *events_data.EVENTS,
            *events_model.EVENTS,
            *events_loop.EVENTS,
            *events_machine.EVENTS,
            *events_predictions.EVENTS,
            *events_watch.EVENTS,
        )
    },
}
