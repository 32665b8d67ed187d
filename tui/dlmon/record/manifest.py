"""run.json: what was run, where, with which outcome. Written by the supervisor, read by everything."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dlmon.record import layout

SCHEMA = 1


@dataclass(frozen=True)
class Git:
    """The state of the user's repository. diff_file: name in the run folder, "" without one."""

    commit: str = ""
    dirty: bool = False
    diff_file: str = ""


@dataclass(frozen=True)
class Environment:
    """Names of all environment variables, values only of those that cannot hold a secret."""

    names: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How the run ended. code: as a shell reports it. signal: "" without one. ended: unix seconds."""

    code: int = 0
    signal: str = ""
    seconds: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Manifest:
    """What run.json holds. created: unix seconds. overhead: share of step time that the probes may take.

    argv: as the user typed it after dlmon's options; command: as it was run. pid: the training; None before its start.
    """

    name: str
    command: list[str] = field(default_factory=list)
    argv: list[str] = field(default_factory=list)
    script: str | None = None
    cwd: str = ""
    created: float | None = None
    python: str | None = None
    git: Git | None = None
    environment: Environment = field(default_factory=Environment)
    gpus: list[str] = field(default_factory=list)
    pid: int | None = None
    supervisor_pid: int | None = None
    host: str = ""
    dlmon: str = ""
    overhead: float = 0.01
    outcome: Outcome | None = None
    schema: int = SCHEMA


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace run.json in one piece: a reader sees the old one or the new one. Raises OSError."""
    target = folder / layout.MANIFEST
    scratch = folder / f".{layout.MANIFEST}.{os.getpid()}"
    text = json.dumps(asdict(manifest), indent=1)
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a run; None where there is none that can be read. Odd or missing fields get their defaults."""
    try:
        row = json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return Manifest(
        name=_text(row.get("name")) or folder.name,
        command=_texts(row.get("command")),
        argv=_texts(row.get("argv")),
        script=_text(row.get("script")) or None,
        cwd=_text(row.get("cwd")),
        created=_number(row.get("created")),
        python=_text(row.get("python")) or None,
        git=_nested(Git, row.get("git")),
        environment=_nested(Environment, row.get("environment")) or Environment(),
        gpus=_texts(row.get("gpus")),
        pid=_whole(row.get("pid")),
        supervisor_pid=_whole(row.get("supervisor_pid")),
        host=_text(row.get("host")),
        dlmon=_text(row.get("dlmon")),
        overhead=_number(row.get("overhead")) or 0.01,
        outcome=_nested(Outcome, row.get("outcome")),
        schema=_whole(row.get("schema")) or SCHEMA,
    )


def _nested(cls: type[Any], row: Any) -> Any:
    """A dataclass of plain values from a JSON object; fields of another type than their default keep the default."""
    if not isinstance(row, dict):
        return None
    empty = cls()
    values: dict[str, Any] = {}
    for item in fields(cls):
        value, default = row.get(item.name), getattr(empty, item.name)
        if isinstance(default, float):
            value = _number(value)
        elif isinstance(default, str):
            value = _text(value)
        elif isinstance(default, list):
            value = _texts(value)
        elif isinstance(default, dict) and isinstance(value, dict):
            value = {_text(key): _text(text) for key, text in value.items()}
        if type(value) is type(default):
            values[item.name] = value
    return cls(**values)


def _text(value: Any) -> str:
    """A string without control characters: a folder that someone else made is not to be trusted."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c >= " " and not "\x7f" <= c <= "\x9f" else " " for c in value)


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value) if abs(value) < 1e300 else float("nan")
    return number if number == number else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
