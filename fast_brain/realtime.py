"""Real time: the driver that steps a node at its rate, and telling the kernel who matters.

A process of its own is not enough: beside a busy planner an ordinary process waits its turn. So
the control loop asks for real-time priority, and where that is refused for a smaller nice value.
What was asked for may be refused, so the answer says what the process really got.
"""

import gc
import os
from collections.abc import Callable
from typing import Literal, NamedTuple

from bridge.nodes import Steppable
from bridge.protocols import Clock
from fast_brain.rate_keeper import RateKeeper

# How long the driver sleeps before it asks again whether to stop [ns].
_LONGEST_SLEEP_NS = 200_000_000
# A loop of real-time priority that never sleeps would starve the machine: after this many beats
# without sleep it takes a short one, however late it is.
_BREATHLESS_BEATS = 10
_BREATH_NS = 200_000


def run_at_rate(
    node: Steppable,
    clock: Clock,
    rate_hz: float,
    should_stop: Callable[[], bool],
    *,
    keeper: RateKeeper | None = None,
) -> RateKeeper:
    """Step a node at its rate until it is told to stop; the real-time driver around every node.

    Sleeps to absolute deadlines; a beat that comes late is done at once, and those it swallowed
    are skipped, not made up for. One that is always late sleeps 0.2 ms every ten beats. The node
    has been started, and is closed by whoever called.

    Args:
        node: What is stepped; `now_ns` is when it woke up.
        clock: Where time comes from and how it is slept through.
        rate_hz: Beats per second [Hz].
        should_stop: Asked before each beat and at least every 0.2 s.
        keeper: Where the cadence is recorded; a new one if None.

    Returns:
        The record of the cadence.

    Raises:
        Exception: Whatever the node raises, at once: a beat that failed is not tried again here.
    """
    keeper = keeper or RateKeeper(rate_hz)
    breathless = 0
    while _sleep_until(keeper.next_deadline_ns, clock, should_stop):
        now_ns = clock.now_ns()
        keeper.beat(now_ns)
        node.step(now_ns)
        ended_ns = clock.now_ns()
        breathless = breathless + 1 if ended_ns >= keeper.next_deadline_ns else 0
        if breathless >= _BREATHLESS_BEATS:
            clock.sleep_until_ns(ended_ns + _BREATH_NS)
            breathless = 0
    return keeper


def _sleep_until(deadline_ns: int, clock: Clock, should_stop: Callable[[], bool]) -> bool:
    """Sleep to a deadline in pieces; False as soon as it is time to stop."""
    while not should_stop():
        now_ns = clock.now_ns()
        if deadline_ns - now_ns <= _LONGEST_SLEEP_NS:
            clock.sleep_until_ns(deadline_ns)
            return True
        clock.sleep_until_ns(now_ns + _LONGEST_SLEEP_NS)
    return False


class RealtimeReport(NamedTuple):
    """What the kernel granted; `notes` say what it refused and why.

    `priority` is that of SCHED_FIFO, 0 without it; `cpus` are the cores the process may use.
    """

    scheduler: Literal["fifo", "normal"]
    priority: int
    nice: int
    cpus: tuple[int, ...]
    is_heap_frozen: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = f"SCHED_FIFO {self.priority}" if self.scheduler == "fifo" else f"nice {self.nice}"
        refused = f" (refused: {'; '.join(self.notes)})" if self.notes else ""
        return f"{how}, cores {', '.join(map(str, self.cpus))}{refused}"


def become_realtime(
    *, priority: int = 20, nice: int = -10, cpu: int | None = None, freeze_heap: bool = True
) -> RealtimeReport:
    """Ask the kernel to favour the calling process; call once, after everything is loaded.

    Threads and processes started afterwards do not inherit real-time priority, so that a library's
    worker cannot starve the machine.

    Args:
        priority: Of SCHED_FIFO, 1 to 99; 0 does not ask.
        nice: What to ask for where SCHED_FIFO is not to be had; -20 is the most favoured.
        cpu: Core to stay on; None for any.
        freeze_heap: Keep what is loaded now out of every later garbage collection.

    Returns:
        What the process got. Never raises: a control loop without priority is still a control loop.
    """
    notes: list[str] = []
    if cpu is not None:
        _try(notes, f"core {cpu}", lambda: os.sched_setaffinity(0, {cpu}))
    if priority and not _try(notes, f"SCHED_FIFO {priority}", lambda: _ask_for_fifo(priority)):
        _try(notes, f"nice {nice}", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice))
    if freeze_heap:
        keep_heap()
    return read_realtime(notes=tuple(notes), is_heap_frozen=freeze_heap)


def keep_heap() -> None:
    """Keep what is loaded now out of every later garbage collection, which then takes 10 µs."""
    gc.collect()
    gc.freeze()


def read_realtime(*, notes: tuple[str, ...] = (), is_heap_frozen: bool = False) -> RealtimeReport:
    """What the calling thread has now, without asking for anything."""
    is_fifo = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    return RealtimeReport(
        scheduler="fifo" if is_fifo else "normal",
        priority=os.sched_getparam(0).sched_priority,
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        is_heap_frozen=is_heap_frozen,
        notes=notes,
    )


def _ask_for_fifo(priority: int) -> None:
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, policy, os.sched_param(priority))


def _try(notes: list[str], what: str, ask: Callable[[], None]) -> bool:
    """Ask the kernel; where it refuses, note why."""
    try:
        ask()
    except OSError as error:
        notes.append(f"{what}: {error.strerror}")
        return False
    return True
