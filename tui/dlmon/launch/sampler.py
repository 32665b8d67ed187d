"""Samples the machine beside the training, in a thread: NVML may take a second to answer, and the terminal may not
wait for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from dlmon.launch.recorder import EventLog, note

SECONDS = 1.0
FIRST_SECONDS = 0.25  # shares of processor time over less than that say nothing


class Sampler:
    """Writes a `host` event about once a second until `stop`."""

    def __init__(self, pid: int, folder: Path, events: EventLog) -> None:
        self._pid = pid
        self._folder = folder
        self._events = events
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.gpus: list[str] | None = None  # UUIDs, once they are known

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        try:
            from dlmon_probes.host.machine import Machine

            machine = Machine(self._pid, str(self._folder))
            self.gpus = machine.gpu_uuids()
            self._over.wait(FIRST_SECONDS)
            while not self._over.is_set():
                began = time.monotonic()
                self._events.write(machine.sample())
                self._over.wait(max(0.1, SECONDS - (time.monotonic() - began)))
        except Exception as error:  # the machine's numbers end here; the training and its record go on
            note(f"sampling the machine failed and was switched off: {type(error).__name__}: {error}")
