"""The agent: one per training process. It knows whether this process trains, holds the instruments and never throws.

A process is a bystander until it does what training does (a backward, an optimizer step): then `begin` opens the log,
and everything noted before (loaders, the first batch, bars) goes out with it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections import deque
from time import perf_counter
from typing import Any, Callable, Optional

from dlmon_probes import control, events
from dlmon_probes.inject import failures
from dlmon_probes.training.channel import Channel
from dlmon_probes.training.governor import Governor


class Agent:
    """State that the instruments share.

    step: completed optimizer cycles. sampling: the costly instruments run in the step that is being computed.
    Listener lists are called by the loop; every listener is wrapped by `guard`:
      sampled_…                       as the same without it, but in sampled steps only: costs nothing in the others
      before_backward(loss, series)   the loss tensor about to go backward, and its series index; called in sampled
                                      steps and while `attention` is set, which the call takes back
      after_backward(series)
      before_step(optimizer, index)   gradients are final, weights still old
      after_step(optimizer, index)    weights are new
      step_closed(step)               a sampled cycle was completed; `step` is its number
      forked()                        this is a child process now, and nothing of what was gathered is its own
      ending()                        the process leaves in an orderly way
      started()                       this process turned out to train
    after_each_step(step): what a rehearsal does after every cycle; it may end the script.
    """

    def __init__(self, run: str, page: control.ControlPage, budget: float) -> None:
        self.run = run
        self.page = page
        self.backwards_in_step: Callable[[], int] = int  # set by the loop
        self.names: Any = None  # set by names.install, the first of the instruments
        self.reached: dict[int, set[int]] = {}  # series → parameters its last read graph reached
        self.governor = Governor(budget)
        self.step = 0
        self.sampling = True
        self.attention = True  # somebody follows what happens until the next backward
        self.phase = "torch_ready"
        self.training = False
        self.after_each_step: Optional[Callable[[int], None]] = None
        self.switched: Optional[events.Where] = None  # the last train() or eval() call seen
        self.born = time.time()
        self.zero = perf_counter()  # the clock that `Steps.at` counts from
        self.last_step_at = perf_counter()
        self.before_backward: list[Callable[[Any, int], None]] = []
        self.sampled_before_backward: list[Callable[[Any, int], None]] = []
        self.sampled_after_backward: list[Callable[[int], None]] = []
        self.sampled_before_step: list[Callable[[Any, int], None]] = []
        self.sampled_after_step: list[Callable[[Any, int], None]] = []
        self.step_closed: list[Callable[[int], None]] = []
        self.forked: list[Callable[[], None]] = []
        self.ending: list[Callable[[], None]] = []
        self.started: list[Callable[[], None]] = []
        self.channel = Channel(self.report)
        self.channel.add_source("deferred values", self._collect_deferred)
        self.channel.add_source("heartbeat", self._heartbeat)
        self._deferred: deque[tuple[Callable[[], Optional[list[list[float]]]], Callable[[list[list[float]]], None]]]
        self._deferred = deque()
        self._reported: set[str] = set()
        self._beat_at = 0.0
        self._pid = os.getpid()
        os.register_at_fork(
            before=self.channel.before_fork,
            after_in_parent=self.channel.after_fork_in_parent,
            after_in_child=self._after_fork_in_child,
        )

    # ------------------------------------------------------------ facts out

    def emit(self, event: Any) -> None:
        """Queue an event. From any thread; costs an append."""
        self.channel.put(event)

    def later(self, vectors: list[Any], done: Callable[[list[list[float]]], None]) -> None:
        """Hand `done` the values of 1-D float tensors once they can be read without waiting for a device.

        On the CPU that is now; on a GPU the copy to pinned memory goes with the stream and `done` is called by the
        writing thread when it has arrived.
        """
        from dlmon_probes.training import tensors

        ready = tensors.readback(vectors)
        values = ready()
        if values is not None:
            done(values)
        else:
            self._deferred.append((ready, done))

    def _collect_deferred(self) -> None:
        while self._deferred:
            ready, done = self._deferred[0]
            values = ready()
            if values is None:
                return
            self._deferred.popleft()
            try:
                done(values)
            except Exception as error:
                self.report("deferred values", error)

    def report(self, probe: str, error: BaseException) -> None:
        """Say once that a probe failed. DLMON_DEBUG prints it too."""
        if os.environ.get("DLMON_DEBUG"):
            traceback.print_exception(type(error), error, error.__traceback__)
        if probe in self._reported:
            return
        self._reported.add(probe)
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        self.emit(events.ProbeError(time.time(), probe, f"{type(error).__name__}: {error}", "".join(lines)[-4000:]))

    def guard(self, probe: str, listeners: list[Any], listener: Callable[..., None]) -> None:
        """Add a listener that is taken out again, and reported, the first time it fails."""

        def guarded(*args: Any) -> None:
            try:
                listener(*args)
            except Exception as error:
                if guarded in listeners:
                    listeners.remove(guarded)
                self.report(probe, error)

        listeners.append(guarded)

    # ------------------------------------------------------------ the process's life

    def begin(self) -> None:
        """This process trains: open its log. Called at the first backward or optimizer step."""
        if self.training:
            return
        self.training = True
        rank, world, local = _rank(), _number("WORLD_SIZE", "SLURM_NTASKS", default=1), _number("LOCAL_RANK")
        path = os.path.join(self.run, f"rank{rank}.jsonl")
        self.channel.put_first(self._hello(rank, world, local))
        try:
            self.channel.open(path)
        except FileExistsError:
            self.channel.open(os.path.join(self.run, f"rank{rank}-{os.getpid()}.jsonl"))
        self.page.raise_stage(control.STAGE_TRAINING)
        for probe, error in failures.noted:
            self.report(probe, error)
        self.set_phase("training")
        for listener in list(self.started):
            listener()
        self._flush_at_exit()

    def _hello(self, rank: int, world: int, local: int) -> events.Hello:
        torch = sys.modules["torch"]
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        return events.Hello(
            t=self.born, schema=events.SCHEMA, role="rank", pid=os.getpid(), host=socket.gethostname(), rank=rank,
            world=world, local_rank=local, ppid=os.getppid(), python=sys.version.split()[0],
            torch=str(torch.__version__), cuda=torch.version.cuda, argv=list(sys.argv), cwd=os.getcwd(),
            main=main or "",
        )  # fmt: skip

    def set_phase(self, name: str, detail: str = "") -> None:
        """Note that the process goes into another phase (see events.Phase)."""
        if name != self.phase:
            self.phase = name
            self.emit(events.Phase(time.time(), name, self.step, detail))

    def _heartbeat(self) -> None:
        now = perf_counter()
        if self.training and self.phase != "ended" and now - self._beat_at >= 1.0:
            self._beat_at = now
            self.emit(
                events.Heartbeat(time.time(), self.step, self.phase, now - self.last_step_at, self.backwards_in_step())
            )
            self.emit(self.governor.event(self.step))

    def _flush_at_exit(self) -> None:
        import atexit

        atexit.register(self.leave)
        # Children of multiprocessing leave through os._exit: atexit is skipped there, these finalizers are not.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, self.leave, exitpriority=0)

    def leave(self) -> None:
        """Write what is left to be told; the process is about to leave."""
        if self.training and os.getpid() == self._pid and self.phase != "ended":
            self.channel.stop()
            for listener in list(self.ending):
                listener()
            if self.governor.steps:
                self.emit(self.governor.event(self.step))
            self.set_phase("ended")
            self.emit(events.End(time.time(), self.step))
            self.channel.flush()

    def _after_fork_in_child(self) -> None:
        self._pid = os.getpid()
        self.training = False
        self.step = 0
        self.phase = "torch_ready"
        self._deferred.clear()
        self.channel.after_fork_in_child()
        for listener in list(self.forked):
            listener()


def _rank() -> int:
    return _number("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def _number(*names: str, default: int = 0) -> int:
    for name in names:
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return default
