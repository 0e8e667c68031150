"""Recorders that are killed while they write as fast as they can; run as a program by a test.

Each is a process of its own with a run's clock of its own, so what the test finds does not depend
on how busy the machine is. It notes in shared memory how far it has come; its parent sends SIGKILL
when that has reached a random place, wherever in the recorder's code that finds it.

    python killed_recorders.py FOLDER COUNT SEED
"""

import itertools
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from agent.recording.config import RecordingConfig
from agent.recording.recorder import RecorderConfig, RecorderNode
from agent.recording.run_record import versions
from bridge.clock import ManualClock
from bridge.messages import Observation
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing

SECOND_NS = 1_000_000_000
EMIT_NS, BEATS_EVERY = SECOND_NS // 100, 10
MOST = 800
_PROGRESS = struct.Struct("<q")


def record(folder: Path, progress: mmap.mmap) -> None:
    """Emit a hundred events and ten pictures a second of the run's time, until killed."""
    clock, ring = ManualClock(SECOND_NS), LocalRing[TraceEvent]()
    seen = InProcessLatestValue[Any]()
    inputs: dict[str, Any] = {"trace.control": ring, "observation": seen}
    node = RecorderNode(
        config=RecorderConfig(folder=folder, recording=RecordingConfig()),
        inputs=inputs,
        outputs={},
        clock=clock,
    )
    node.start()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    parent = os.getppid()
    for number in itertools.count():
        now_ns = clock.now_ns()
        facts = {"number": number, "x": [0.5] * 20}
        ring.publish(TraceEvent(kind="tick", stamp_ns=now_ns, facts=facts))
        _PROGRESS.pack_into(progress, 0, number)
        if number % BEATS_EVERY == 0:
            image = np.roll(pixels, number, axis=1)
            seen.publish(
                Observation(
                    stamp_ns=now_ns, sequence=number, images={"front": image}, proprioception={}
                )
            )
            node.step(now_ns)
            if os.getppid() != parent:
                # Whoever was to kill this one is gone.
                return
        clock.advance_ns(EMIT_NS)


def kill_one(folder: Path, target: int) -> int:
    """Kill a recorder about when it has emitted `target` events; return how many it had."""
    progress = mmap.mmap(-1, _PROGRESS.size)
    child = os.fork()
    if not child:
        # So that its parent comes in between.
        os.nice(19)
        try:
            record(folder, progress)
        finally:
            # Whatever happens, the child is not to go on as its parent.
            os._exit(1)
    while _PROGRESS.unpack_from(progress)[0] < target:
        # Only so that the parent leaves the core to the child.
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WTERMSIG(status) != signal.SIGKILL:
        raise RuntimeError(f"a recorder ended by itself, with status {status}")
    return int(_PROGRESS.unpack_from(progress)[0])


def main() -> None:
    """Kill as many as asked for, and print what each had emitted, as JSON."""
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)  # noqa: S311  # Not for secrets.
    targets = [chance.randrange(MOST) for _ in range(count)]
    # Once for all: looking them up takes longer than a recorder lives.
    versions()
    # A folder of runs each, as a recorder prunes its neighbours.
    emitted = [kill_one(folder / str(n) / "run", target) for n, target in enumerate(targets)]
    sys.stdout.write(json.dumps(emitted))


if __name__ == "__main__":
    main()
