"""Writers that die at every point of a write into a ring, again and again, while a reader drains.

Run as a program by `test_ring.py`: it forks, which wants a process without threads. Prints one
JSON object with what was seen.
"""

import json
import os
import signal
import sys

from mailbox_processes import Trap, TrappedMemory

from bridge.trace import TraceEvent
from bridge.transports.ring import SharedRing

# two pieces of the payload, the record's word, written, published
STORES = 5
CAPACITY = 2048


def main(rounds: int) -> None:
    """Let `rounds` writers die, one at each point of a write in turn, and print what was seen."""
    ring = SharedRing.create("stress", TraceEvent, run_id="test", capacity_bytes=CAPACITY)
    said, heard, torn = 0, 0, 0
    for number in range(rounds):
        said += _let_a_writer_die(ring.address, number)
        events = ring.drain()
        torn += sum(not _is_whole(event) for event in events)
        heard += len(events)
    damaged, dropped = ring.statistics().damaged, ring.statistics().dropped
    ring.close()
    ring.unlink()
    seen = {"said": said, "heard": heard, "torn": torn, "damaged": damaged, "dropped": dropped}
    sys.stdout.write(json.dumps(seen))


def _let_a_writer_die(address: str, number: int) -> int:
    """How many events a writer said before it died at its point of a later one."""
    good, point = number % 3, number % STORES
    writer = os.fork()
    if writer == 0:
        ring = SharedRing(address, TraceEvent)
        trap = Trap(stores_left=good * STORES + point)
        ring._circle = TrappedMemory(ring._circle, trap)  # pyright: ignore[reportAttributeAccessIssue]
        ring._words = TrappedMemory(ring._words, trap)  # pyright: ignore[reportAttributeAccessIssue]
        for sequence in range(good + 1):
            ring.publish(_event(number * 10 + sequence))
        os._exit(1)
    _, status = os.waitpid(writer, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    # Once `written` is stored the event counts, even if the writer dies before it says so.
    return good + (point == STORES - 1)


def _event(number: int) -> TraceEvent:
    # Of changing length, so that records fall on every place of the circle.
    text = str(number) * (number % 17)
    return TraceEvent(kind="stress", stamp_ns=number, facts={"text": text, "number": number})


def _is_whole(event: TraceEvent) -> bool:
    return event == _event(event.stamp_ns)


if __name__ == "__main__":
    main(int(sys.argv[1]))
