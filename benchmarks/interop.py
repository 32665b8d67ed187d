"""How fast logs of other tools are read, made into runs, and written.

    python benchmarks/interop.py [POINTS] [ROUNDS]

The same numbers (a loss and an accuracy at each step) in every form. "read" is the parser alone with all checksums, and
"open" what `dlmon replay` does before it shows anything: read and write a run of our own. Beside them TensorBoard's
EventAccumulator on the same event file, told to keep all points. Seconds of processor time, medians; ratios are to
EventAccumulator's points per second. Writes benchmarks/results/interop.md.
"""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from machine import describe

from dlmon.interop import open_source, protobuf
from dlmon.interop.sources import recognise
from dlmon.interop.writers import csv as csv_writer
from dlmon.interop.writers import jsonl, tensorboard
from dlmon.interop.writers.table import Table

RESULT = Path(__file__).resolve().parent / "results" / "interop.md"
START = 1_700_000_000.0
TAGS = ("train/loss", "train/accuracy")


def values(step: int, steps: int) -> tuple[float, float]:
    return math.exp(-4 * step / steps) + 0.01 * math.sin(step), 1 - math.exp(-5 * step / steps)


def events(path: Path, steps: int) -> None:
    with path.open("wb") as file:
        writer = tensorboard.EventWriter(file, START)
        for step in range(steps):
            for tag, value in zip(TAGS, values(step, steps), strict=True):
                writer.add(START + step / 100, step, {tag: value})
        writer.flush()


def table(path: Path, steps: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *TAGS])
        writer.writerows([step, *values(step, steps)] for step in range(steps))


def json_lines(path: Path, steps: int) -> None:
    with path.open("w") as file:
        for step in range(steps):
            row = dict(zip(TAGS, values(step, steps), strict=True))
            file.write(json.dumps({"step": step, "time": START + step / 100, **row}) + "\n")


def trainer_state(path: Path, steps: int) -> None:
    rows = [{"step": step + 1, **dict(zip(TAGS, values(step, steps), strict=True))} for step in range(steps)]
    path.write_text(json.dumps({"log_history": rows}, indent=2))


def wandb(path: Path, steps: int) -> None:
    """W&B's framing, a record for each step; those that a block has no room for go into the next."""
    out = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    for step in range(steps):
        row = dict(zip(TAGS, values(step, steps), strict=True)) | {"_step": step, "_timestamp": START + step / 100}
        items = (
            protobuf.put(2, key.encode()) + protobuf.put(16, json.dumps(value).encode()) for key, value in row.items()
        )
        record = protobuf.put(2, b"".join(protobuf.put(1, item) for item in items))
        part, rest = record[: max(0, 32768 - len(out) % 32768 - 7)], record
        if 32768 - len(out) % 32768 < 7:
            out += bytes(32768 - len(out) % 32768)
            part = record
        rest = record[len(part) :]
        for kind, data in ((2, part), (4, rest)) if rest else ((1, part),):
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + data), len(data), kind) + data
    path.write_bytes(out)


FORMS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "TensorBoard events": ("events.out.tfevents.1700000000.host.0", events),
    "CSV": ("metrics.csv", table),
    "JSON lines": ("metrics.jsonl", json_lines),
    "trainer_state.json": ("trainer_state.json", trainer_state),
    "W&B .wandb": ("run-1.wandb", wandb),
}


def median(rounds: int, work: Callable[[], int], points: int) -> float:
    """Seconds of processor time. Fails where a point is missing: speed at the cost of points would be none."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        count = work()
        found.append(time.process_time() - began)
        if count < points:
            raise SystemExit(f"{count} of {points} points were read")
    return statistics.median(found)


def read(path: Path) -> int:
    source = recognise(path)
    assert source is not None
    reader = source.reader()
    count = 0
    while (rows := reader.read()) is not None:
        count += sum(len(row.values) for row in rows)
    return count + sum(len(row.values) for row in reader.finish())


def opened(path: Path, points: int) -> int:
    with tempfile.TemporaryDirectory() as cache:
        assert open_source(path, Path(cache)) is not None
    return points


def accumulated(path: Path) -> int:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(path.parent), {"scalars": 0})
    accumulator.Reload()
    return sum(len(accumulator.Scalars(tag)) for tag in TAGS)


def row(name: str, size: int, points: int, seconds: float, peer: float | None) -> str:
    ratio = "" if peer is None else f"{peer / seconds:.1f} ×"
    megabytes = size / 1e6
    return (
        f"| {name} | {megabytes:.1f} | {seconds:.2f} | {megabytes / seconds:.0f} | {points / seconds:,.0f} | {ratio} |"
    )


def readers(folder: Path, points: int, rounds: int) -> list[str]:
    steps = points // len(TAGS)
    paths = {}
    for name, (file, make) in FORMS.items():
        paths[name] = folder / name.split()[0] / file
        paths[name].parent.mkdir()
        make(paths[name], steps)
    first = next(iter(paths.values()))
    try:
        peer = median(rounds, lambda: accumulated(first), points)
        lines = [row("TensorBoard events, EventAccumulator", first.stat().st_size, points, peer, peer)]
    except ImportError:
        peer, lines = None, ["| TensorBoard events, EventAccumulator | not installed | | | | |"]
    for name, path in paths.items():
        size = path.stat().st_size
        for what, work in (("read", lambda path=path: read(path)), ("open", lambda path=path: opened(path, points))):
            lines.append(row(f"{name}, {what}", size, points, median(rounds, work, points), peer))
    return lines


def writers(folder: Path, points: int, rounds: int) -> list[str]:
    run = open_source(folder / "TensorBoard" / FORMS["TensorBoard events"][0], folder / "cache")
    assert run is not None
    steps = points // len(TAGS)
    lines = []
    forms: dict[str, Callable[[io.BytesIO], int]] = {
        "CSV": lambda file: csv_writer.write(Table(run).rows(), Table(run).columns(), file),
        "JSON lines": lambda file: jsonl.write(Table(run).rows(), file),
        "TensorBoard": lambda file: tensorboard.write(
            ((one.step, one.t, one.values) for one in Table(run).rows()), file, START
        ),
    }
    for name, write in forms.items():
        sizes = []

        def work(write: Callable[[io.BytesIO], int] = write, sizes: list[int] = sizes) -> int:
            file = io.BytesIO()
            count = write(file)
            sizes.append(len(file.getvalue()))
            return count

        seconds = median(rounds, work, steps)
        lines.append(f"| {name} | {sizes[0] / 1e6:.1f} | {seconds:.2f} | {steps / seconds:,.0f} |")
    return lines


def main() -> None:
    points = int(sys.argv[1]) if sys.argv[1:] else 400_000
    rounds = int(sys.argv[2]) if sys.argv[2:] else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            "# Reading and writing the logs of other tools",
            "",
            f"`python benchmarks/interop.py {points} {rounds}`: {describe('tensorboard', 'msgspec')}.",
            f"{points:,} points: a loss and an accuracy at each step. Seconds of processor time, medians. The last",
            "column is points per second as a multiple of EventAccumulator's on the event file.",
            "",
            "| what | MB | seconds | MB/s | points/s | × EventAccumulator |",
            "|---|---|---|---|---|---|",
            *readers(folder, points, rounds),
            "",
            "`dlmon export` of the same run (its table has the step time besides):",
            "",
            "| form | MB | seconds | steps/s |",
            "|---|---|---|---|",
            *writers(folder, points, rounds),
            "",
        ]
    RESULT.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
