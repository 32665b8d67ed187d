"""Runs a callback right after a module was executed, without changing how it is found or loaded.

`importlib.util.find_spec("torch")` is called by accelerate and others before anything imports torch, so the finder
stays until the module has *executed*. The loader keeps its type: only its `exec_module` is shadowed on the instance,
and put back when it ran.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Optional

Callback = Callable[[], None]

_watched: dict[str, tuple[Optional[Callback], Callback]] = {}
_searching: set[str] = set()


def watch(name: str, *, after: Callback, before: Optional[Callback] = None) -> None:
    """Call `before` when module `name` starts to execute and `after` once it has. At once if it already has."""
    if name in sys.modules:
        _quietly(after)
    else:
        _watched[name] = (before, after)


def arm() -> None:
    """Put the finder in front of the others (once per process)."""
    if not any(type(entry) is _Finder for entry in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(self, name: str, path: Any = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        if name not in _watched or name in _searching:
            return None
        _searching.add(name)
        try:
            spec = _found_by_others(self, name, path, target)
        finally:
            _searching.discard(name)
        if spec is not None and spec.loader is not None:
            _shadow_exec(name, spec.loader)
        return spec


def _found_by_others(me: object, name: str, path: Any, target: Optional[ModuleType]) -> Optional[ModuleSpec]:
    for entry in sys.meta_path:
        find = getattr(entry, "find_spec", None)
        if entry is me or find is None:
            continue
        spec: Optional[ModuleSpec] = find(name, path, target)
        if spec is not None:
            return spec
    return None


def _shadow_exec(name: str, loader: Any) -> None:
    original = getattr(loader, "exec_module", None)
    if original is None:
        return

    def exec_module(module: ModuleType) -> None:
        try:
            del loader.exec_module
        except AttributeError:
            pass
        callbacks = _watched.get(name)
        if callbacks is not None and callbacks[0] is not None:
            _quietly(callbacks[0])
        original(module)
        callbacks = _watched.pop(name, None)
        if callbacks is not None:
            _quietly(callbacks[1])

    try:
        loader.exec_module = exec_module
    except AttributeError:  # a loader with slots or a built-in: this module goes unwatched
        pass


def _quietly(callback: Callback) -> None:
    """Fail open: an import must not fail because of us."""
    try:
        callback()
    except Exception as error:
        from dlmon_probes.inject import failures

        failures.note("import hook", error)
