"""The machine: GPUs, torch's allocator, where the step's time goes, CPU, memory, disk, the training's processes."""

from __future__ import annotations

from collections.abc import Sequence

from dlmon.app.content import Content, waiting
from dlmon.app.glyphs import Glyphs
from dlmon.app.lines import Line, Span, cut, first_that_fits, joined, line, width, wrap
from dlmon.app.panels.base import Panel
from dlmon.app.source import Frame
from dlmon.app.sparkline import sparkline
from dlmon.state.snapshot import MachineView, RunSnapshot
from dlmon.text import count, duration, number, part_of, percent, plural, size, sizes
from dlmon_probes.events import Gpu, Host, Memory, ProcessRow

_LABEL = 8
_FULL = 0.9  # share of a device's memory, and share of the step spent waiting for data, from which on the colour
_STARVED = 0.5  # repeats what the number says


def machine_content(frame: Frame, room: int, height: int, glyphs: Glyphs) -> Content:
    """GPUs first, the rest below, processes as far as there is room."""
    snapshot = frame.view.snapshot if frame.view else None
    host = snapshot.machine.host if snapshot else None
    if snapshot is None or host is None:
        return Content(waiting("first sample of the machine not seen yet", room, height))
    fixed = [*_step_lines(snapshot, room), *_host_lines(host, snapshot.machine, room, glyphs)]
    torch = [_torch_line(memory, room) for memory in snapshot.machine.torch]
    gpus = _gpu_lines(host, snapshot.machine, room, height - len(fixed) - len(torch), glyphs)
    lines = [*gpus, *torch, *fixed]
    lines += _process_lines(host.processes, room, height - len(lines))
    return Content(lines, _note(snapshot))


def _note(snapshot: RunSnapshot) -> str:
    facts = snapshot.leader
    governor = facts.governor if facts else None
    if governor is None:
        return ""
    often = "every step" if governor.every <= 1 else f"every {count(governor.every)} steps"
    return f"probes cost {percent(governor.overhead)}, sample {often}"


def _label(text: str) -> Span:
    return Span(text.ljust(_LABEL), "dim")


def _gpu_lines(host: Host, machine: MachineView, room: int, height: int, glyphs: Glyphs) -> list[Line]:
    if not host.gpus:
        note = wrap(host.gpu_note or "no NVIDIA GPU here", room - _LABEL)
        return [line(_label("" if at else "GPU"), text) for at, text in enumerate(note)]
    blocks = [_gpu_block(gpu, machine, room, glyphs) for gpu in host.gpus]
    if sum(len(block) for block in blocks) <= max(height, 2):
        return [row for block in blocks for row in block]
    return [_gpu_line(gpu, room) for gpu in host.gpus]  # one row each


def _gpu_block(gpu: Gpu, machine: MachineView, room: int, glyphs: Glyphs) -> list[Line]:
    label = f"GPU {gpu.index}".ljust(_LABEL)
    if gpu.error:
        return [line((label, "dim"), (gpu.name, "text"), (f"  {gpu.error}", "warning"))]
    history = machine.gpu_utilisation.get(gpu.uuid, ())
    busy = f"{percent(gpu.utilisation):>5} busy "
    name = gpu.name.replace("NVIDIA ", "")
    columns = max(0, min(40, room - _LABEL - len(busy) - len(name) - 3))
    spark = sparkline(history, columns, glyphs.bars, low=0.0, high=1.0)
    lines = [line((label, "strong"), (busy, "text"), (spark, "series0"), (f"  {cut(name, room)}", "dim"))]
    memory, power = _memory_parts(gpu), _power_parts(gpu)
    one_row = line(" " * _LABEL, *joined(memory + power))
    if width(one_row) <= room:
        lines.append(one_row)
    else:
        lines += [line(" " * _LABEL, *joined(parts)) for parts in (memory, power) if parts]
    if gpu.throttle:
        lines.append(line(" " * _LABEL, (f"slowed down: {', '.join(gpu.throttle)}", "warning")))
    return lines


def _gpu_line(gpu: Gpu, room: int) -> Line:
    parts = [(f"{percent(gpu.utilisation):>5}", "text"), *_memory_parts(gpu), *_power_parts(gpu)]
    if gpu.throttle:
        parts.insert(1, ("slowed down", "warning"))
    if gpu.error:
        parts = [(gpu.error, "warning")]
    row = line((f"GPU {gpu.index}".ljust(_LABEL), "strong"), *joined(parts))
    while width(row) > room and len(parts) > 2:
        parts.pop()
        row = line((f"GPU {gpu.index}".ljust(_LABEL), "strong"), *joined(parts))
    return row


def _memory_parts(gpu: Gpu) -> list[tuple[str, str]]:
    full = gpu.used is not None and gpu.total and gpu.used / gpu.total > _FULL
    parts = [(part_of(gpu.used, gpu.total), "warning" if full else "text")]
    if gpu.own is not None:
        parts.append((f"this run {size(gpu.own)}", "text"))
    return parts


def _power_parts(gpu: Gpu) -> list[tuple[str, str]]:
    parts = []
    if gpu.power is not None:
        limit = f" of {gpu.power_limit:.0f}" if gpu.power_limit is not None else ""
        parts.append((f"{gpu.power:.0f}{limit} W", "text"))
    if gpu.temperature is not None:
        parts.append((f"{gpu.temperature:.0f} °C", "text"))
    if gpu.sm_clock is not None:
        parts.append((f"{gpu.sm_clock:,.0f} MHz", "text"))
    return parts


def _torch_line(memory: Memory, room: int) -> Line:
    (allocated, reserved, peak), unit = sizes(memory.allocated, memory.reserved, memory.peak)
    parts = [memory.device, f"allocated {allocated}", f"reserved {reserved}", f"peak {peak} {unit}"]
    short = [memory.device, f"used {allocated}", f"held {reserved}", f"peak {peak} {unit}"]
    choices = [joined(parts), joined(parts, "  "), joined(short, "  ")]
    return line(_label("torch"), *first_that_fits(choices, room - _LABEL))


def _step_lines(snapshot: RunSnapshot, room: int) -> list[Line]:
    timing = snapshot.timing
    if timing.median is None:
        return [line(_label("step"), ("first step not seen yet", "dim"))]
    parts: list[str | tuple[str, str]] = [f"{duration(timing.median)} median", f"{duration(timing.p95)} p95"]
    if timing.wait_share is not None:
        role = "warning" if timing.wait_share > _STARVED else "text"
        parts.append((f"{percent(timing.wait_share)} waiting for data", role))
    if timing.samples_rate is not None:
        parts.append(f"{number(timing.samples_rate)} samples/s")
    row = line(_label("step"), *joined(parts))
    while width(row) > room and len(parts) > 1:
        parts.pop()
        row = line(_label("step"), *joined(parts))
    return [row]


def _host_lines(host: Host, machine: MachineView, room: int, glyphs: Glyphs) -> list[Line]:
    """CPU and memory as rows with a history each, disk below. Both histories start in the same column."""
    cpu = f"{percent(host.cpu):>5} of {plural(host.cores, 'core')}, load {number(host.load)}"
    ram = part_of(host.ram_used, host.ram_total)
    ram = f"{percent(host.ram_used / host.ram_total if host.ram_total else None):>5}, {ram}"
    text = max(len(cpu), len(ram))
    columns = max(0, min(40, room - _LABEL - text - 2))
    lines = []
    for label, words, history in (("CPU", cpu, machine.cpu), ("RAM", ram, machine.ram)):
        spark = sparkline(history, columns, glyphs.bars, low=0.0, high=1.0)
        lines.append(line(_label(label), words.ljust(text + 2), (spark, "series0")))
    disk = [f"{size(host.disk_free)} free"] if host.disk_free is not None else []
    disk += [f"read {size(host.disk_read)}/s"] if host.disk_read is not None else []
    disk += [f"write {size(host.disk_write)}/s"] if host.disk_write is not None else []
    return [*lines, line(_label("disk"), *joined(disk))] if disk else lines


def _process_lines(processes: Sequence[ProcessRow], room: int, height: int) -> list[Line]:
    """The training's process tree, busiest first; what does not fit is summed up in the last row."""
    if not processes or height < 1:
        return []
    ordered = sorted(processes, key=lambda row: -row.cpu)
    fitting = ordered if len(ordered) <= height else ordered[: height - 1]
    name = min(24, max(len(row.name) for row in ordered))
    lines = []
    for index, row in enumerate(fitting):
        label = _label("" if index else "process")
        used = f"{percent(row.cpu):>6}  {size(row.rss):>9}  {cut(row.name, name).ljust(name)}"
        told = line(label, used, (f"  pid {row.pid}", "dim"))
        lines.append(first_that_fits([(*told, Span(f"  {plural(row.threads, 'thread')}", "dim")), told], room))
    rest = ordered[len(fitting) :]
    if rest:
        total = f"{percent(sum(row.cpu for row in rest)):>6}  {size(sum(row.rss for row in rest)):>9}"
        more = "more " if fitting else ""
        lines.append(line(_label("" if fitting else "process"), total, f"  {len(rest)} {more}processes"))
    return lines


class Machine(Panel):
    """The widget."""

    title_text = "machine"
    number = 3

    def content(self, room: int, height: int) -> Content:
        return machine_content(self.frame_now, room, height, self.glyphs)
