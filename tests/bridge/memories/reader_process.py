"""Another process: follows a shared memory until it holds the latent it was told to wait for."""

import json
import sys

from bridge.clock import SystemClock
from bridge.errors import TransportError
from bridge.memories.stores import SharedAddress, SharedMemoryReader
from bridge.specs import LatentSpec

LIMIT_S = 40


def main() -> None:
    """Read again and again; each entry must hold one number, which its writer filled it with."""
    rows, table, spec, last = json.loads(sys.argv[1])
    reader = SharedMemoryReader(SharedAddress(rows, table), LatentSpec(**spec))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    clock = SystemClock()
    end_ns = clock.now_ns() + LIMIT_S * 1_000_000_000
    reads, overtaken, sequence = 0, 0, -1
    while sequence < last and clock.now_ns() < end_ns:
        try:
            view = reader.read(0)
        except TransportError:
            overtaken += 1
            continue
        reads += 1
        sequence = view.latent_sequence
        for entry in range(view.time_s.size):
            low, high = view.perceptual[entry].min(), view.perceptual[entry].max()
            assert low == high == view.cognitive[entry].max() == view.time_s[entry], (low, high)
    found = {"reads": reads, "overtaken": overtaken, "sequence": sequence}
    sys.stdout.write(json.dumps(found) + "\n")


main()
