"""The supervisor's loop: terminal to disk, requests to signals, stages to events, until the training has ended."""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlmon.launch import processes, requests, sources, terminal
from dlmon.launch.drain import Drain
from dlmon.launch.guardian import Ward
from dlmon.launch.recorder import EventLog, OutputLog, note
from dlmon.launch.sampler import Sampler
from dlmon.launch.stopping import Stopping
from dlmon.record.manifest import Git, Manifest, Outcome, write_manifest
from dlmon_probes import control
from dlmon_probes.events import Exit, Phase, Signal

STAGE_SECONDS = 0.1
INVENTORY_SECONDS = 3.0

STAGES = {
    control.STAGE_PYTHON: "python",
    control.STAGE_IMPORTING_TORCH: "importing_torch",
    control.STAGE_TORCH_READY: "torch_ready",
    control.STAGE_TRAINING: "training",
}


class Supervision:
    """Stays with one training until it has ended. `run` returns when everything is on disk."""

    def __init__(
        self, folder: Path, manifest: Manifest, master: int, inbox: int | None, ward: Ward, *, reaper: int | None
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._ward = ward
        self._reaper = reaper
        self._events = EventLog(folder)
        self._output = OutputLog(folder, self._events)
        self._drain = Drain(master, self._output)
        self._inbox = requests.Inbox(inbox) if inbox is not None else None
        self._sampler = Sampler(ward.child, folder, self._events)
        self._stopping = Stopping(ward.child, self._events, self._tree, lambda: terminal.foreground_group(master))
        self._page = _page(folder)
        self._stage = control.STAGE_NONE
        self._stage_due = time.monotonic()
        self._inventory: threading.Thread | None = None
        self._git: Git | None = None

    # ------------------------------------------------------------ the run's facts

    def take_stock(self) -> None:
        """Copy the sources and read the git state beside the start of the training."""
        self._inventory = threading.Thread(target=self._look_around, name="inventory", daemon=True)
        self._inventory.start()

    def _look_around(self) -> None:
        cwd = Path(self.manifest.cwd or ".")
        try:
            if self.manifest.script is not None:
                sources.copy_sources(cwd / self.manifest.script, cwd, self.folder)
            self._git = sources.git_state(cwd, self.folder)
        except Exception as error:  # a record without sources is better than none
            note(f"the sources were not copied: {type(error).__name__}: {error}")

    def _write_manifest(self, outcome: Outcome | None = None) -> None:
        self.manifest = replace(
            self.manifest,
            pid=self._ward.child,
            supervisor_pid=os.getpid(),
            git=self._git or self.manifest.git,
            gpus=self._sampler.gpus or self.manifest.gpus,
            outcome=outcome,
        )
        try:
            write_manifest(self.folder, self.manifest)
        except OSError as error:
            note(f"run.json cannot be written: {error}")

    def _tree(self) -> list[int]:
        # A guardian that was killed adopts nothing, and its pid may by now be anyone's.
        reaper = self._reaper if self._reaper in (os.getpid(), os.getppid()) else None
        return processes.training_tree(self._ward.child, reaper)

    # ------------------------------------------------------------ the loop

    def run(self) -> None:
        wake = self._catch_signals()
        self._write_manifest()
        self._sampler.start()
        with selectors.DefaultSelector() as selector:
            selector.register(self._drain.master, selectors.EVENT_READ, self._drain.read)
            selector.register(wake, selectors.EVENT_READ, lambda: os.read(wake, 1024))
            if self._inbox is not None:
                selector.register(self._inbox.fd, selectors.EVENT_READ, self._answer)
            status = self._turn_until_end(selector)
        self._finish(status)

    def _turn_until_end(self, selector: selectors.BaseSelector) -> int:
        while (status := self._ward.wait(adopted=self._reaper == os.getpid())) is None:
            for key, _ in selector.select(self._pause()):
                if key.data() is None:  # the terminal is closed; the training may go on without it
                    selector.unregister(key.fileobj)
            self._watch_for_room(selector)
            self._tick(time.monotonic())
        return status

    def _watch_for_room(self, selector: selectors.BaseSelector) -> None:
        """Wake when the terminal takes input, as long as there is something left to type."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._drain.typed else 0)
        key = selector.get_map().get(self._drain.master)
        if key is not None and key.events != wanted:
            selector.modify(self._drain.master, wanted, self._drain.read)

    def _pause(self) -> float | None:
        """Seconds until something is due."""
        due = [at for at in (self._output.due(), self._stopping.due(), self._stage_at()) if at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _tick(self, now: float) -> None:
        self._output.tell(now)
        at = self._stopping.due()
        if at is not None and now >= at:
            self._stopping.escalate()
        stage_at = self._stage_at()
        if stage_at is not None and now >= stage_at:
            self._stage_due = now + STAGE_SECONDS
            self._look_at_stage()

    def _stage_at(self) -> float | None:
        return None if self._page is None or self._stage >= control.STAGE_TRAINING else self._stage_due

    def _look_at_stage(self) -> None:
        if self._page is None:
            return
        reached = self._page.read(control.STAGE)
        for stage, name in STAGES.items():
            if self._stage < stage <= reached:
                self._events.write(Phase(time.time(), name))
        self._stage = max(self._stage, reached)

    # ------------------------------------------------------------ signals and requests

    def _catch_signals(self) -> int:
        """A pipe that becomes readable at each signal. SIGTERM and SIGINT to the supervisor mean the training."""
        wake, write = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(
                number, lambda *_: self._stopping.request(requests.GRACE_SECONDS, "a signal to the supervisor")
            )
        return wake

    def _answer(self) -> bool:
        assert self._inbox is not None
        for request in self._inbox.read():
            self._obey(request)
        return True

    def _obey(self, request: dict[str, Any]) -> None:
        op = request["op"]
        if op == requests.STOP:
            self._stopping.request(request["grace"], request["by"])
        elif op == requests.SIGNAL:
            self._forward(request["signal"], request["by"])
        elif op == requests.RESIZE:
            self._drain.resize(request["rows"], request["columns"])
        elif op == requests.TYPE:
            self._drain.type(request["data"])

    def _forward(self, name: str, by: str) -> None:
        """INT goes to the foreground group, as from the keyboard; others to the training alone, as from `kill`: its
        loader workers must not die of a SIGTERM on which it wants to save a checkpoint."""
        number = signal.Signals[f"SIG{name}"]
        self._events.write(Signal(time.time(), number.name, f"passed on from {by}"))
        if number is signal.SIGINT:
            self._stopping.interrupt()
        else:
            processes.kill([self._ward.child], number)

    # ------------------------------------------------------------ the end

    def _finish(self, status: int) -> None:
        ended = time.time()
        if self._stopping.begun:
            self._stopping.clear_up()
        self._drain.finish()
        self._look_at_stage()
        self._sampler.stop()
        self._output.tell(time.monotonic(), at_once=True)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 128 + number if number else os.WEXITSTATUS(status)
        name = _signal_name(number) if number else ""
        seconds = round(ended - self._ward.started, 3)
        self._events.write(Exit(ended, code, seconds, name))
        if self._inventory is not None:
            self._inventory.join(timeout=INVENTORY_SECONDS)
        self._write_manifest(Outcome(code, name, seconds, ended))
        (self.folder / requests.NAME).unlink(missing_ok=True)


def _page(folder: Path) -> control.ControlPage | None:
    try:
        return control.ControlPage(str(folder))
    except (OSError, ValueError) as error:
        note(f"no control page: {error}")
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
