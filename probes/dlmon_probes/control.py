"""The control page: 4 KiB of shared memory in the run folder, by which screens ask and training processes answer.

Reading a 4-byte field costs about 0.1 µs, so the training looks at every step boundary. Each field has one writer side
and is an aligned 32-bit word, which x86-64 and Arm write in one piece, so no lock is needed.
"""

from __future__ import annotations

import mmap
import os
import struct

NAME = "control"
SIZE = 4096
MAGIC = 0x4E4D4C44  # "DLMN"
VERSION = 1

_WORD = struct.Struct("<I")

# Offsets. Written by screens and the supervisor:
PAUSE = 8  # 1: wait at the next step boundary
GRANTED = 12  # steps granted since the pause began (a counter: +1 lets one step through)
SAMPLE_REQUEST = 16  # a counter: +1 asks for everything to be sampled at the next step
STACKS_REQUEST = 20  # a counter: +1 asks for the stacks of all threads
RELEASED = 24  # 1: a stage that was started in advance may go on
END_AT = 28  # rehearsal stages of several ranks: all end when this many steps are done (0: not yet decided)
# Written by training processes:
STAGE = 32  # the furthest that any injected process got: see the STAGE_ constants
PAUSED = 36  # how many training processes wait at a step boundary

STAGE_NONE, STAGE_PYTHON, STAGE_IMPORTING_TORCH, STAGE_TORCH_READY, STAGE_TRAINING = range(5)


def create(folder: str) -> None:
    """Make the page in a run folder. Raises OSError."""
    page = bytearray(SIZE)
    _WORD.pack_into(page, 0, MAGIC)
    _WORD.pack_into(page, 4, VERSION)
    fd = os.open(os.path.join(folder, NAME), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(fd, page)
    finally:
        os.close(fd)


class ControlPage:
    """The page of one run, mapped. Raises OSError or ValueError when there is none or it is another version's."""

    def __init__(self, folder: str) -> None:
        fd = os.open(os.path.join(folder, NAME), os.O_RDWR)
        try:
            self._map = mmap.mmap(fd, SIZE)
        finally:
            os.close(fd)
        self.words = memoryview(self._map).cast("I")  # the same, by word: the quickest way to look (0.05 µs)
        if self.read(0) != MAGIC or self.read(4) != VERSION:
            self.close()
            raise ValueError(f"{folder}/{NAME} is not a control page of this version")

    def read(self, offset: int) -> int:
        value: int = _WORD.unpack_from(self._map, offset)[0]
        return value

    def write(self, offset: int, value: int) -> None:
        _WORD.pack_into(self._map, offset, value)

    def add(self, offset: int, amount: int = 1) -> None:
        """Not atomic between processes; for counters with one usual writer."""
        self.write(offset, (self.read(offset) + amount) & 0xFFFFFFFF)

    def raise_stage(self, stage: int) -> None:
        """Stages only go up: of several processes the furthest counts."""
        if self.read(STAGE) < stage:
            self.write(STAGE, stage)

    def pause(self) -> None:
        """Ask the training to wait at its next step boundary."""
        self.write(GRANTED, 0)
        self.write(PAUSE, 1)

    def resume(self) -> None:
        self.write(PAUSE, 0)

    def grant_step(self) -> None:
        """Let one more step through while paused."""
        self.add(GRANTED)

    def close(self) -> None:
        self.words.release()
        self._map.close()
