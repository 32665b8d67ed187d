"""Why a run ended that should not have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dlmon.checks.crash_autograd import autograd_story
from dlmon.checks.crash_checkpoints import checkpoint_story
from dlmon.checks.crash_imports import import_story
from dlmon.checks.crash_index import index_story
from dlmon.checks.crash_inner import unwrapped
from dlmon.checks.crash_kinds import kind_of
from dlmon.checks.crash_memory import oom_story
from dlmon.checks.crash_others import other_story
from dlmon.checks.crash_shapes import shape_story
from dlmon.checks.crash_story import Story
from dlmon.checks.crash_types import device_story, type_story
from dlmon.checks.crash_workers import worker_story
from dlmon.checks.facts import backward_site, well_formed
from dlmon.checks.finding import ERROR, Finding
from dlmon.checks.frames import last_place, shapes_in_reach, user_line
from dlmon.checks.registry import check
from dlmon.state.snapshot import FAILED, STOPPED, RankFacts, RunSnapshot
from dlmon.text import place as at_line
from dlmon_probes import events

NEEDS = "an uncaught exception, or the end of the run"
RAM_FULL = 0.95  # share of the machine's memory beyond which the kernel's out-of-memory killer is the likely hand

_ADVICE = {
    "crash.shape": "Compare the shapes of the tensors in reach; the layer before it made them.",
    "crash.dtype": "Convert before the model: inputs with .float(), class labels with .long(), targets of BCE and MSE "
    "with .float(). NumPy makes float64 by default.",
    "crash.device": "Move model and batch to one device: model.to(device) before the optimizer is made, "
    "and x, y = x.to(device), y.to(device) for each batch.",
    "crash.index": "Compare the largest index with the size of what is indexed: num_embeddings for an embedding, "
    "the length of the data set for a list.",
    "crash.worker": "Run once with num_workers=0: then the error shows where it happens.",
    "crash.import": "Install the package that the last line names, with the pip of this environment.",
    "crash.autograd": "Look at what lies between the model and this line: detach, in-place operations, no_grad.",
    "crash.checkpoint": "Compare the keys of the file with model.state_dict().keys().",
    "crash.other": "The last line of your own code in the traceback is where to look first.",
}


def _crash(snapshot: RunSnapshot, id: str) -> tuple[RankFacts, events.Crash, str] | None:
    """The first crash of any process, if it is of this kind: the others die of it. With the place it came from."""
    crashed = [(facts, facts.crash) for facts in snapshot.facts.values() if facts.crash is not None]
    if not crashed:
        return None
    facts, outer = min(crashed, key=lambda pair: pair[1].t)
    crash, place = unwrapped(outer)
    return (well_formed(facts), crash, place) if kind_of(crash) == id else None


def _finding(
    id: str, facts: RankFacts, crash: events.Crash, story: Story, place: str, more: dict[str, object] | None = None
) -> Finding:
    module = crash.module
    return Finding(
        id=id,
        severity=ERROR,
        title=f"{story.title} (in {place})" if place else story.title,
        advice=story.advice,
        step=crash.step,
        rank=facts.rank,
        where=user_line(crash),
        evidence={
            "type": crash.type,
            "message": crash.message[:1000],
            "phase": crash.phase,
            "module": f"{module.name} ({module.cls})" if module else None,
            "options": module.options if module else "",
            "inputs": [list(named.facts.shape) for named in module.inputs] if module else [],
            "tensors": shapes_in_reach(crash),
            **(more or {}),
        },
    )


def _first_line(crash: events.Crash) -> str:
    text = next((line.strip() for line in crash.message.splitlines() if line.strip()), "")
    return f"{crash.type.rpartition('.')[2]}: {text[:160]}" if text else crash.type


_STORIES: dict[str, Callable[[events.Crash, RankFacts], Story | None]] = {
    "crash.shape": lambda crash, _: shape_story(crash),
    "crash.dtype": lambda crash, _: type_story(crash),
    "crash.device": lambda crash, _: device_story(crash),
    "crash.index": index_story,
    "crash.autograd": autograd_story,
    "crash.worker": lambda crash, _: worker_story(crash),
    "crash.import": lambda crash, _: import_story(crash),
    "crash.checkpoint": lambda crash, _: checkpoint_story(crash),
    "crash.other": lambda crash, _: other_story(crash),
}


def _told(id: str, facts: RankFacts, crash: events.Crash) -> Story:
    """What is known of this crash; else its own first line and the advice of its kind."""
    layer = f" in {crash.module.name or crash.module.cls}" if crash.module else ""
    return _STORIES[id](crash, facts) or Story(_first_line(crash) + layer, _ADVICE[id])


@dataclass(frozen=True)
class _Crashed:
    """The check of one kind of crash. Not a closure: a replay pickles its judge, checks and all."""

    id: str

    def __call__(self, snapshot: RunSnapshot) -> Iterator[Finding]:
        found = _crash(snapshot, self.id)
        if found:
            facts, crash, place = found
            yield _finding(self.id, facts, crash, _told(self.id, facts, crash), place)


def _oom(snapshot: RunSnapshot) -> Iterator[Finding]:
    found = _crash(snapshot, "crash.oom")
    if found:
        facts, crash, place = found
        story, numbers = oom_story(crash, facts, snapshot)
        yield _finding("crash.oom", facts, crash, story, place, numbers)


check("crash.oom", needs=NEEDS)(_oom)
for _id in _STORIES:
    check(_id, needs=NEEDS)(_Crashed(_id))


@check("crash.killed", needs=NEEDS)
def killed(snapshot: RunSnapshot) -> Iterator[Finding]:
    if snapshot.state == STOPPED and "SIGHUP" in snapshot.detail:
        yield _hung_up(snapshot)
    if snapshot.state != FAILED or not snapshot.signal:
        return
    ram = max(snapshot.machine.ram[-5:], default=None)
    full = ram is not None and ram >= RAM_FULL and snapshot.signal == "SIGKILL"
    told = f" with the machine's memory {ram:.0%} full" if ram is not None and full else ""
    rows = sorted(snapshot.machine.host.processes, key=lambda row: -row.rss) if snapshot.machine.host else []
    largest = {f"{row.name} ({row.pid})": row.rss for row in rows[:3]}
    where, seen = _last_seen(snapshot)
    yield Finding(
        id="crash.killed",
        severity=ERROR,
        title=f"the training was killed by {snapshot.signal}{told}{seen}",
        advice=_killed_advice(snapshot.signal, full),
        step=snapshot.step,
        rank=None,
        where=where,
        evidence={
            "signal": snapshot.signal,
            "exit_code": snapshot.exit_code,
            "ram_share": None if ram is None or math.isnan(ram) else ram,
            "largest_processes": largest,
        },
    )


def _last_seen(snapshot: RunSnapshot) -> tuple[events.Where | None, str]:
    """The last line that the training is known to have been in, and how to say so."""
    if snapshot.fatal is not None:
        return snapshot.fatal, f" in {at_line(snapshot.fatal.file, snapshot.fatal.line)}"
    facts = snapshot.leader
    if facts is None:
        return None, ""
    place = last_place(facts)
    if place is None:
        return backward_site(facts), ""
    return place.where, f"; it was last seen in {at_line(place.where.file, place.where.line)}"


def _hung_up(snapshot: RunSnapshot) -> Finding:
    return Finding(
        id="crash.killed",
        severity=ERROR,
        title="the training was ended by SIGHUP: its terminal was closed",
        advice="Start it under tmux, with nohup, or with dlmon, whose runs go on when the screen is closed.",
        step=snapshot.step,
        where=_last_seen(snapshot)[0],
        evidence={"signal": "SIGHUP", "exit_code": snapshot.exit_code},
    )


def _killed_advice(signal: str, full: bool) -> str:
    if full:
        return "The kernel ends the largest process when memory runs out: fewer loader workers, smaller caches."
    if signal == "SIGKILL":
        return "Nobody asked for it here: look at the scheduler's limits and at the kernel's log (dmesg)."
    if signal == "SIGBUS":
        return "Usually shared memory of loader workers ran out: a larger /dev/shm, or fewer workers."
    if signal == "SIGALRM":
        return "A timer that the script or a library set (signal.alarm) ran out, and nothing handles it."
    return (
        "A crash below Python (an extension, a driver): compare the versions of torch and its driver; stacks-*.txt in "
        "the run's folder has the stacks of all threads."
    )
