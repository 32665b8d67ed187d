"""Random numbers that are the same in every worker of a loader: read off the code of the data set, which is not run."""

from __future__ import annotations

import dis
import inspect
import time
from types import CodeType
from typing import Any, Optional

from dlmon_probes import events
from dlmon_probes.events_data import WorkerRandom
from dlmon_probes.training import callsite, data
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

NAME = "worker random"
DEEPEST = 3  # methods that call methods; data sets around data sets
GENERATORS = {("numpy.random.mtrand", "RandomState"), ("numpy.random._generator", "Generator"), ("random", "Random")}
SEEDS = frozenset({"seed", "manual_seed"})
OWN_NUMBER = frozenset({"get_worker_info", "initial_seed"})


class WorkerRandomProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._seen: set[int] = set()

    def begun(self, loader: Any, number: int, _iterator: int) -> None:
        own = loader.__dict__
        workers = own.get("num_workers") or 0
        if number in self._seen or workers < 2:
            return
        self._seen.add(number)
        init = own.get("worker_init_fn")
        found = _fixed_seed(init) if init is not None else _own_generator(own.get("dataset"))
        if found is not None:
            how, name, place = found
            self._agent.emit(WorkerRandom(time.time(), number, int(workers), how, name, place))


def _fixed_seed(init: Any) -> Optional[tuple[str, str, Optional[events.Where]]]:
    """A function that seeds, but never reads its argument, the worker's number, nor asks for it elsewhere."""
    code = getattr(init, "__code__", None)
    if not inspect.isfunction(init) or not isinstance(code, CodeType) or not code.co_argcount:
        return None
    if not SEEDS & set(code.co_names) or OWN_NUMBER & set(code.co_names) or code.co_argcount > 1:
        return None
    argument = code.co_varnames[0]
    if argument in code.co_cellvars or any(argument in _names(step) for step in dis.get_instructions(code)):
        return None
    return "seed", init.__name__, callsite.place(code, code.co_firstlineno)


def _names(step: dis.Instruction) -> tuple[Any, ...]:
    """The variables of an instruction; newer versions of Python load two at once."""
    value = step.argval
    return value if isinstance(value, tuple) else (value,)


def _own_generator(dataset: Any) -> Optional[tuple[str, str, Optional[events.Where]]]:
    """A generator that the data set holds and its __getitem__ uses: each worker starts from the same copy of it."""
    for _ in range(DEEPEST):
        inner = getattr(dataset, "__dict__", {}).get("dataset")
        if inner is None or "__getitem__" not in type(inner).__dict__:
            break
        dataset = inner
    own = getattr(dataset, "__dict__", None)
    if type(own) is not dict:
        return None
    held = {name for name, value in own.items() if _is_generator(value)}
    get = next((vars(cls)["__getitem__"] for cls in type(dataset).__mro__ if "__getitem__" in vars(cls)), None)
    used, code = _used_names(type(dataset), get, DEEPEST)
    names = sorted(held & used)
    if not names or OWN_NUMBER & used or SEEDS & used or code is None:
        return None
    return "generator", names[0], callsite.place(code, code.co_firstlineno)


def _is_generator(value: Any) -> bool:
    kind = type(value)
    return (kind.__module__, kind.__name__) in GENERATORS or (kind.__module__, kind.__name__) == ("torch", "Generator")


def _used_names(cls: Any, function: Any, depth: int) -> tuple[set[str], Optional[CodeType]]:
    """Names in a method's code and in that of the class's methods that it names."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return set(), None
    found = set(code.co_names)
    for name in list(found) if depth else []:
        inner = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
        if inspect.isfunction(inner) and inner is not function:
            found |= _used_names(cls, inner, depth - 1)[0]
    return found, code


def install(agent: Agent, _loop: Loop) -> None:
    loaders = data.probe_of(agent)
    if loaders is not None:
        agent.guard(NAME, loaders.on_pass, WorkerRandomProbe(agent).begun)
