"""The series of a run in a TensorBoard event file, and how long TensorBoard's own reader takes over them.

python benchmarks/tensorboard_reader.py write RUN FOLDER     # prints the number of points
python benchmarks/tensorboard_reader.py read FOLDER          # prints [seconds, peak MiB]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

from opened import peak_memory


def write(run: Path, folder: Path) -> int:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    from dlmon.record.reader import RunReader
    from dlmon_probes.events import Evaluation, Scalars, Steps

    folder.mkdir(parents=True)
    points = 0
    with (folder / "events.out.tfevents.1700000000.node1").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString())

        def put(tag: str, step: int, t: float, value: float | None) -> None:
            nonlocal points
            if value is not None:
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.write(Event(wall_time=t, step=step, summary=summary).SerializeToString())
                points += 1

        reader, more = RunReader(run), True
        while more:
            batch = reader.read(2000, 60.0)
            more = batch.more
            for _, _, event, _ in batch.events:
                if isinstance(event, Steps):
                    for row, step in enumerate(range(event.first, event.first + len(event.at))):
                        put("loss", step, event.t, event.loss["0"][row])
                        put("lr", step, event.t, event.lr[row])
                        put("wait", step, event.t, event.wait[row])
                        put("step time", step, event.t, event.dt[row])
                        put("gradient norm", step, event.t, event.grad_norm[row])
                elif isinstance(event, Scalars):
                    for scalar in event.rows:
                        put(scalar.tag, event.at, event.t, scalar.value)
                elif isinstance(event, Evaluation):
                    put("evaluation loss", event.step, event.t, event.loss)
    return points


def read(folder: Path) -> tuple[float, float]:
    began = perf_counter()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    kept = sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])
    assert kept
    return perf_counter() - began, peak_memory("self")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        print(write(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        print(json.dumps(read(Path(sys.argv[2]))))
