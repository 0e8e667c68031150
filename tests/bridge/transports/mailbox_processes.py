"""Writers that die at every point of a write, again and again, while a reader reads.

Run as a program by `test_shared_memory.py`: it forks, which wants a process without threads.
Prints one JSON object with what was seen.
"""

import json
import os
import select
import signal
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bridge.messages import Latent
from bridge.specs import LatentSpec
from bridge.testing import example_latent
from bridge.transports.shared_memory import SharedLatestValue

# Large, so that a writer spends nearly all its time inside the write.
SPEC = LatentSpec(perceptual_tokens=512, cognitive_tokens=1, width=256)
CAPACITY = 600_000
# void mark, two arrays and the rest, length, where the rest is, checksum, version, head
STORES = 9


def main(rounds: int) -> None:
    """Let `rounds` writers die, one at each point of a write in turn, and print what was seen."""
    seen = {"rounds": rounds, "torn": 0, "backwards": 0, "void_slots": 0, "reads": 0}
    with (
        tempfile.TemporaryDirectory() as folder,
        SharedLatestValue.create("stress", Latent, run_id="test", capacity_bytes=CAPACITY) as box,
    ):
        stop = Path(folder) / "stop"
        reader, report = _fork_reader(box.address, stop)
        for number in range(rounds):
            before = box.version
            _let_a_writer_die(box, number)
            seen["void_slots"] += _has_void_slot(box)
            latent = box.read()
            seen["reads"] += 1
            seen["torn"] += latent is None or not _is_whole(latent)
            seen["backwards"] += box.version < before
        stop.touch()
        reads, torn, backwards = struct.unpack("<3q", os.read(report, 24))
        os.waitpid(reader, 0)
        box.unlink()
    for key, count in (("reads", reads), ("torn", torn), ("backwards", backwards)):
        seen[key] += count
    sys.stdout.write(json.dumps(seen))


def _let_a_writer_die(box: SharedLatestValue[Latent], number: int) -> None:
    """Start a writer that kills itself at one point, or that we kill at an arbitrary one."""
    started, says = os.pipe()
    writer = os.fork()
    if writer == 0:
        _write_until_killed(box.address, number, says)
    os.close(says)
    if number % (STORES + 1) == STORES:
        # The writer's first message wakes us; when the signal lands it is somewhere in a later one.
        select.select([started], [], [])
        os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    os.close(started)


def _write_until_killed(address: str, number: int, says: int) -> None:
    latent = example_latent(SPEC)
    with SharedLatestValue(address, Latent) as box:
        good_messages = 1 + number % 3
        trap = Trap(stores_left=good_messages * STORES + number % (STORES + 1))
        if number % (STORES + 1) < STORES:
            box._bytes = TrappedMemory(box._bytes, trap)  # pyright: ignore[reportAttributeAccessIssue]
            box._words = TrappedMemory(box._words, trap)  # pyright: ignore[reportAttributeAccessIssue]
        while True:
            version = box.version + 1
            filled = np.full_like(latent.perceptual, version % 1000)
            box.publish(msgspec.structs.replace(latent, perceptual=filled, sequence=version))
            os.write(says, b".")


@dataclass
class Trap:
    """Counts stores into shared memory; the process dies when none are left."""

    stores_left: int


class TrappedMemory:
    """Shared memory in which one store is the last: half of it lands, then the process is gone."""

    def __init__(self, memory: memoryview, trap: Trap) -> None:
        self._memory = memory
        self._trap = trap

    def __getitem__(self, key: Any) -> Any:
        return self._memory[key]

    def __setitem__(self, key: int | slice, value: Any) -> None:
        if self._trap.stores_left == 0:
            if isinstance(key, slice):
                half = len(value) // 2
                self._memory[key.start : key.start + half] = value[:half]
            os.kill(os.getpid(), signal.SIGKILL)
        self._trap.stores_left -= 1
        self._memory[key] = value


def _fork_reader(address: str, stop: Path) -> tuple[int, int]:
    report, says = os.pipe()
    reader = os.fork()
    if reader == 0:
        reads = torn = backwards = newest = 0
        with SharedLatestValue(address, Latent) as box:
            while not stop.exists():
                latent = box.read()
                if latent is not None:
                    reads += 1
                    torn += not _is_whole(latent)
                    backwards += latent.sequence < newest
                    newest = latent.sequence
        os.write(says, struct.pack("<3q", reads, torn, backwards))
        os._exit(0)
    os.close(says)
    return reader, report


def _is_whole(latent: Latent) -> bool:
    return bool((latent.perceptual == latent.sequence % 1000).all())


def _has_void_slot(box: SharedLatestValue[Latent]) -> bool:
    """Whether the writer died in the middle: the slot it was filling is marked void."""
    return box.version > 1 and box._words[box._slot(box.version + 1)] == 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
