"""Failures of the agent from before there was a log to report them in; handed to it when there is one."""

from __future__ import annotations

import os

noted: list[tuple[str, BaseException]] = []


def note(probe: str, error: BaseException) -> None:
    """Remember a failure (at most 20). With DLMON_DEBUG set it is raised instead."""
    if os.environ.get("DLMON_DEBUG"):
        raise error
    if len(noted) < 20:
        noted.append((probe, error))
