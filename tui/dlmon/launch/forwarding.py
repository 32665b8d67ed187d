"""Passes the signals that a process without a screen gets on to the training that it stands for."""

from __future__ import annotations

import os
import signal
from collections import deque
from pathlib import Path
from types import FrameType

from dlmon.errors import UserError
from dlmon.launch import requests

# What keyboards (INT, QUIT), batch systems and containers (TERM, USR1, USR2) send.
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Forwarder:
    """Catches signals from `install` on, which is to be before the training starts, so that none is lost."""

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()

    def install(self) -> None:
        for number in FORWARDED:
            signal.signal(number, self._catch)

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._waiting.append(number)

    def send(self, folder: Path) -> list[str]:
        """Pass on what has come; the names of what was sent. The rest waits while the supervisor is still starting."""
        sent: list[str] = []
        while self._waiting:
            name = signal.Signals(self._waiting[0]).name.removeprefix("SIG")
            try:
                requests.send_signal(folder, name, by=f"process {os.getpid()}")
            except UserError:
                break
            self._waiting.popleft()
            sent.append(name)
        return sent
