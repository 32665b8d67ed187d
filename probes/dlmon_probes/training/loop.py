"""The training loop as it runs: backward calls and optimizer steps become rows of the log.

What a step is: the optimizer's step. Several optimizers that take turns share one cycle, which ends when one of them,
or a backward call site that already had its turn, comes again. A program without an optimizer object steps at each
backward. Always-on work per step: two hooks and one wrapped function,
5 µs in a tight loop and 25 to 40 µs with the cold caches of a real step (benchmarks/overhead.py).
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from time import perf_counter
from types import CodeType
from typing import Any, Optional

from dlmon_probes import control, events
from dlmon_probes.training import callsite, process_group, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.rows import Loss, LossValue, Row, Rows

MOST_NEW = 64  # optimizers that are looked at for being new: some loops make one for each step
BY_HAND = 100  # more backwards than the largest usual accumulation (64) without a step: updates are made by hand
_PAUSE_WORD = control.PAUSE // 4
_INFINITE = (float("inf"), float("-inf"))
POLL_PAUSED = 0.02  # seconds between looks at the control page while paused
MOST_MORE = 2.0  # seconds: a step this short is done once more before a pause, looked at in full


class Loop:
    """Receives backward and step calls, keeps the current row, hands finished rows to the log."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._torch = tensors.torch_module()
        self._method = getattr(self._torch.Tensor.backward, "__code__", None)
        self.row = Row()
        self.depth = 0
        self.optimizers: dict[int, int] = {}  # id(optimizer) → index; ids are checked against `_alive`
        self._alive: dict[int, Any] = {}
        self.made_at: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # optimizer → Where
        self.optimizer_made = 0
        self.has_stepped = False
        self.lone: Optional[int] = None  # id of the only optimizer that is alive
        self.scaled: Optional[tuple[int, Any]] = None  # id of GradScaler.scale's result, the loss before it
        self._series: dict[tuple[int, int], int] = {}  # (id of the code, instruction) → series
        self._codes: list[CodeType] = []
        self._rows = Rows()
        self._last_close: Optional[float] = None
        self._granted_used = 0
        self._switched: Optional[events.Where] = None
        self._optimizers_seen = 0
        agent.backwards_in_step = lambda: self.row.backwards
        agent.channel.add_source("step rows", self._collect_rows)
        agent.guard("step rows", agent.ending, self.finish)
        agent.guard("step rows", agent.forked, self._begin_anew)

    # ------------------------------------------------------------ backward

    def backward_begins(self, loss: Any, call: str = "backward") -> int:
        """A backward from `loss` (a tensor) is about to run. Returns its series. Every line counts here: it runs with
        cold caches between two large computations, where a call costs 2 µs and not 0.1."""
        agent, row = self.agent, self.row
        frame = sys._getframe(2)
        if frame.f_code is self._method and frame.f_back is not None:
            frame = frame.f_back  # of `loss.backward()` itself, if nothing else stands between
        series = self._series.get((id(frame.f_code), frame.f_lasti))
        if series is None:
            series = self._series_of(callsite.user_frame(frame), call)
        if not agent.training:
            agent.begin()
        if row.backwards and ((series in row.losses and row.stepped) or self._steps_by_hand()):
            self._close()  # which may wait in a pause: the clock of our cost starts after it
            row = self.row
        began = perf_counter()
        row.backwards += 1
        if agent.phase != "training":
            agent.set_phase("training")
        value = self._value_of(loss)
        if series in row.losses:
            row.losses[series].append(value)
        else:
            row.losses[series] = [value]
        if agent.switched is not self._switched or value != value or value in _INFINITE:
            self._look_closer()
        agent.governor.always_cost += perf_counter() - began
        if agent.attention or agent.sampling:
            self._tell_before_backward(loss, series)
        return series

    def _look_closer(self) -> None:
        """NaN, or train() or eval() was called: this step is sampled whatever it costs (up to a limit)."""
        agent = self.agent
        self._switched = agent.switched
        if not agent.sampling:
            agent.sampling = agent.governor.anomaly()

    def _tell_before_backward(self, loss: Any, series: int) -> None:
        agent = self.agent
        agent.attention = False
        for listener in list(agent.before_backward):
            listener(loss, series)
        if agent.sampling:
            for listener in list(agent.sampled_before_backward):
                listener(loss, series)

    def backward_ended(self, series: int) -> None:
        """Called in sampled steps."""
        for listener in list(self.agent.sampled_after_backward):
            listener(series)

    def _steps_by_hand(self) -> bool:
        """No optimizer object takes the steps: there is none, or it was not used in a hundred backwards."""
        return not self.optimizer_made or (not self.has_stepped and self.row.backwards >= BY_HAND)

    def _series_of(self, frame: Any, call: str) -> int:
        key = (id(frame.f_code), frame.f_lasti) if frame is not None else (0, 0)
        series = self._series.get(key)
        return series if series is not None else self._new_series(key, frame, call)

    def _new_series(self, key: tuple[int, int], frame: Any, call: str) -> int:
        series = self._series[key] = len(self._series)
        if frame is not None:
            self._codes.append(frame.f_code)  # kept alive: its id is the key
        place = callsite.where(frame)
        name = callsite.loss_name(place.text) if place else "loss"
        self.agent.emit(events.Series(time.time(), series, name, place, call))
        return series

    def _value_of(self, loss: Any) -> Loss:
        scaled, self.scaled = self.scaled, None
        if scaled is not None and scaled[0] == id(loss):
            loss = scaled[1]
        torch, c = self._torch, self._torch._C
        if (
            type(loss) is torch.Tensor
            and loss.is_cpu
            and loss.numel() == 1
            # No functorch transform or mode of anyone's would see the read (0.3 µs to ask).
            and not c._len_torch_function_stack()
            and not c._len_torch_dispatch_stack()
            and c._functorch.peek_interpreter_stack() is None
        ):
            value = loss.item()
            return value if type(value) is float else float(value.real)
        if tensors.out_of_reach():
            return LossValue(None)
        with tensors.immune():
            scalar = tensors.local(loss)
            if scalar is None or scalar.numel() != 1:
                return LossValue(None)
            if scalar.device.type == "cpu":
                return float(scalar.item().real)
            ready = tensors.readback([scalar.reshape(1).float()])
        return LossValue(None, ready)

    # ------------------------------------------------------------ optimizer steps

    def made(self, optimizer: Any) -> None:
        """An optimizer object was made (its class's __init__ ran)."""
        self.optimizer_made += 1
        self.made_at[optimizer] = callsite.where(callsite.caller(2))

    def step_begins(self, optimizer: Any) -> None:
        """An optimizer's step begins. Needed in sampled steps and where several optimizers take turns."""
        agent = self.agent
        if not agent.training:
            agent.begin()
        index = self.index_of(optimizer)
        if index in self.row.stepped:
            self._close()
        if agent.sampling:
            for listener in list(agent.sampled_before_step):
                listener(optimizer, index)

    def step_ended(self, optimizer: Any) -> None:
        agent, row = self.agent, self.row
        if row.lr is None:
            row.lr = learning_rate(optimizer)
        index = self.index_of(optimizer)
        row.stepped.append(index)
        self.has_stepped = True
        if agent.sampling:
            for listener in list(agent.sampled_after_step):
                listener(optimizer, index)
        if self.lone is not None:  # nobody to share the cycle with: it is complete
            self._close()

    def index_of(self, optimizer: Any) -> int:
        """The optimizer's number in this run, by order of first step. Dead ones' ids may come again."""
        key = id(optimizer)
        index = self.optimizers.get(key)
        if index is None or key not in self._alive:
            index = self.optimizers[key] = self._optimizers_seen
            self._optimizers_seen += 1
            if self._optimizers_seen <= MOST_NEW:
                self.agent.sampling = True  # whoever is new is looked at
            self._alive[key] = weakref.ref(optimizer, functools.partial(self._forget, key))
            self.lone = key if len(self._alive) == 1 else None
        return index

    def first_optimizer(self) -> Optional[Any]:
        """The one that stepped first, of those that are alive."""
        return next((optimizer for optimizer in (known() for known in list(self._alive.values())) if optimizer), None)

    def _forget(self, key: int, _reference: Any) -> None:
        self._alive.pop(key, None)
        self.lone = next(iter(self._alive)) if len(self._alive) == 1 else None

    # ------------------------------------------------------------ rows

    def _close(self) -> None:
        """The cycle is complete: its row goes out, the governor decides about the next, and requests are answered."""
        agent, row, looked = self.agent, self.row, self.agent.sampling
        now = perf_counter()
        dt = None if self._last_close is None else now - self._last_close
        self._rows.add(agent.step, now - agent.zero, dt, row)
        self._last_close = now
        self.row = Row()
        if agent.sampling:
            for listener in list(agent.step_closed):
                listener(agent.step)
        agent.step += 1
        agent.last_step_at = now
        if not agent.channel.running:
            agent.channel.ensure_running()
        governor = agent.governor
        agent.sampling = governor.next_step(now, dt or 0.0)
        governor.always_cost += perf_counter() - now
        if agent.page.words[_PAUSE_WORD] and not self._looks_first(looked, dt):
            self._wait_while_paused()
        elif self._granted_used:
            self._granted_used = 0
        if agent.after_each_step is not None:
            agent.after_each_step(agent.step)

    def _looks_first(self, looked: bool, dt: Optional[float]) -> bool:
        """Somebody asked for a pause after a step that was not looked at: do one more that is. Ranks that train
        together must not part there."""
        if looked or dt is None or dt > MOST_MORE or process_group.rank_and_world() is not None:
            return False
        self.agent.sampling = True
        return True

    def _wait_while_paused(self) -> None:
        """Wait until the pause ends or one more step is granted. Each process counts the grants it used by itself."""
        agent, page = self.agent, self.agent.page
        began = perf_counter()
        if page.read(control.GRANTED) <= self._granted_used:
            agent.set_phase("paused")
            agent.emit(events.Control(time.time(), agent.step, "paused"))
            page.add(control.PAUSED, 1)
            try:
                while page.read(control.PAUSE) and page.read(control.GRANTED) <= self._granted_used:
                    time.sleep(POLL_PAUSED)
            finally:
                page.add(control.PAUSED, -1)
            action = "stepped" if page.read(control.PAUSE) else "resumed"
            agent.emit(events.Control(time.time(), agent.step, action))
            agent.set_phase("training")
            agent.sampling = agent.sampling or action == "stepped"
        self._granted_used += 1
        self._last_close = (self._last_close or began) + (perf_counter() - began)  # a pause is nobody's step time

    def _collect_rows(self) -> None:
        """Called by the writing thread."""
        for block in self._rows.take():
            self.agent.emit(block)

    def _begin_anew(self) -> None:
        self._rows.clear()
        self.row = Row()
        self._last_close = None

    def finish(self) -> None:
        """The process ends: a cycle that only waited for another turn is complete."""
        if self.row.stepped or (self.row.backwards and self._steps_by_hand()):
            self._close()


def learning_rate(optimizer: Any) -> Optional[float]:
    """lr of the first group; None when it lives on a device (reading it would wait for that)."""
    try:
        lr = optimizer.param_groups[0]["lr"]
    except (AttributeError, LookupError, TypeError):
        return None
    if isinstance(lr, (int, float)):
        return float(lr)
    if getattr(getattr(lr, "device", None), "type", "") == "cpu" and lr.numel() == 1:
        return float(lr)
    return None
