"""Deaths of loader workers, and what cannot be sent to them."""

from __future__ import annotations

import re

from dlmon.checks.crash_story import Match, Story, Tellers, always, told_by
from dlmon_probes import events

_SPAWN = "Put what runs into `if __name__ == '__main__':` and call main() there: each worker imports this file again."


def worker_story(crash: events.Crash) -> Story | None:
    """None where the message is of no known form."""
    return told_by(_WORKERS, crash)


def _killed_worker(match: Match, _crash: events.Crash) -> Story:
    signal = match[1].strip().rstrip(".")
    if "Bus" in signal:
        return _shared_memory(match, _crash)
    if "Kill" in signal:
        return Story(
            "a DataLoader worker was killed",
            "Usually memory ran out: every worker holds a copy of the data set. Fewer workers (num_workers), and "
            "arrays or memory maps instead of lists of Python objects.",
        )
    return Story(
        f"a DataLoader worker died of {signal}",
        "A library below Python crashed in it: num_workers=0 shows the place; OpenCV needs cv2.setNumThreads(0).",
    )


def _gone_worker(_match: Match, _crash: events.Crash) -> Story:
    return Story(
        "a DataLoader worker ended without a word",
        "Run once with num_workers=0 to see its error; if there is none, memory ran out or something called exit().",
    )


def _shared_memory(_match: Match, _crash: events.Crash) -> Story:
    return Story(
        "loader workers ran out of shared memory",
        "Batches travel through /dev/shm: docker run --shm-size=8g (or --ipc=host), fewer workers, or a smaller "
        "prefetch_factor.",
    )


def _pickle(match: Match, crash: events.Crash) -> Story:
    what = match[1].removeprefix("local object ").strip("'\" ")
    if what.startswith(("<function ", "<class ")):  # `<function name at 0x7f…>`, `<class 'm.name'>`
        what = what.partition(" ")[2]
        what = (what.partition(" at 0x")[0] if " at 0x" in what else what.removesuffix(">")).strip("'")
    local = "<lambda>" in crash.message or "<locals>" in crash.message or "local object" in crash.message
    saving = any(frame.where.file.endswith("torch/serialization.py") for frame in crash.frames[-5:])
    title = f"{what[:80]} cannot be sent to a worker" if not saving else f"{what[:80]} cannot be saved"
    if local:
        return Story(title, "Lambdas and functions made inside others cannot be pickled: define it at the top of a "
                     "file, or use functools.partial.")  # fmt: skip
    return Story(
        title,
        "Open files, locks, generators and database handles cannot be pickled: open them in the worker "
        "(worker_init_fn, or at the first __getitem__).",
    )


_WORKERS: Tellers = (
    (re.compile(r"bus error|shared memory", re.IGNORECASE), _shared_memory),
    (re.compile(r"DataLoader worker \(pid[^)]*\)+ is killed by signal: ([^.]*)"), _killed_worker),
    (re.compile(r"DataLoader worker \(pid.*? exited unexpectedly"), _gone_worker),
    (
        re.compile(r"finished its bootstrapping phase"),
        always("workers are started while the script is being imported by a worker", _SPAWN),
    ),
    (
        re.compile(r"re-initialize CUDA in forked"),
        always(
            "CUDA is used in a forked worker",
            "Keep .cuda() out of the data set and collate_fn; move the batch in the training loop.",
        ),
    ),
    (
        re.compile(r"received \d+ items of ancdata"),
        always(
            "too many open files between loader and workers",
            "torch.multiprocessing.set_sharing_strategy('file_system'), or ulimit -n 4096; do not keep the batches.",
        ),
    ),
    (
        re.compile(r"DataLoader timed out"),
        always("a loader worker gave nothing within the loader's timeout", "Look for a hanging read; num_workers=0."),
    ),
    (
        re.compile(r"process \d+ terminated with (?:signal|exit code) (\S+)"),
        lambda match, _crash: Story(
            f"a process of this training ended with {match[1]}",
            "Its own output above says why; SIGKILL is usually memory, SIGSEGV a library below Python.",
        ),
    ),
    (re.compile(r"(?:[Cc]an't pickle|[Cc]annot pickle|[Cc]an't get) (.*?)(?:: |$| on <| object$)"), _pickle),
)
