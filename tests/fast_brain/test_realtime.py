import gc
import os
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from bridge.clock import ManualClock
from fast_brain import realtime
from fast_brain.realtime import become_realtime, run_at_rate

MS_NS = 1_000_000


class Beats:
    """A node that notes its beats, and takes as long as it is told."""

    def __init__(self, clock: ManualClock, takes_ns: Callable[[int], int] = lambda _: 0) -> None:
        self.stamps_ns: list[int] = []
        self._clock = clock
        self._takes_ns = takes_ns

    def step(self, now_ns: int) -> None:
        """Note the time, and let it pass."""
        self.stamps_ns.append(now_ns)
        self._clock.advance_ns(self._takes_ns(len(self.stamps_ns)))

    def has_made(self, count: int) -> Callable[[], bool]:
        """Whether it has made this many beats, as a question to ask again."""
        return lambda: len(self.stamps_ns) >= count


@pytest.fixture
def thawed() -> Iterator[None]:
    """Give the frozen heap back to the collector."""
    yield
    gc.unfreeze()


def test_beats_come_at_absolute_deadlines(clock: ManualClock) -> None:
    """The first beat is at once, and each next one a period after it, however long steps take."""
    node = Beats(clock, lambda _: 3 * MS_NS)
    keeper = run_at_rate(node, clock, 100.0, node.has_made(4))
    assert node.stamps_ns == [1000 * MS_NS + beat * 10 * MS_NS for beat in range(4)]
    assert keeper.missed == 0


def test_missed_beats_are_skipped(clock: ManualClock) -> None:
    """After a step of 35 ms at 100 Hz the late beat is done once, and no burst makes up for it."""
    node = Beats(clock, lambda beat: 35 * MS_NS if beat == 1 else 0)
    keeper = run_at_rate(node, clock, 100.0, node.has_made(3))
    assert [stamp // MS_NS for stamp in node.stamps_ns] == [1000, 1035, 1040]
    assert keeper.missed == 2
    assert keeper.lateness.max_ms == 25.0


def test_an_error_ends_the_driver(clock: ManualClock) -> None:
    """What a node raises comes out of the driver at once, unchanged."""

    class Broken:
        def step(self, now_ns: int) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_at_rate(Broken(), clock, 100.0, lambda: False)


def test_a_slow_node_is_stopped_soon(clock: ManualClock) -> None:
    """A node of one beat in 100 s is stopped within 0.2 s, without another beat."""
    node = Beats(clock)
    run_at_rate(node, clock, 0.01, lambda: clock.now_ns() > 2000 * MS_NS)
    assert len(node.stamps_ns) == 1
    assert clock.now_ns() <= 2201 * MS_NS


@pytest.mark.usefixtures("thawed")
def test_what_the_kernel_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused priority is no error: the report says what was refused and what is there."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", refuse)
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    report = become_realtime(priority=20, nice=-10, cpu=0)
    assert report.scheduler == "normal"
    assert [note.split(":")[0] for note in report.notes] == ["core 0", "SCHED_FIFO 20", "nice -10"]
    assert report.is_heap_frozen
    assert "Operation not permitted" in str(report)


@pytest.mark.usefixtures("thawed")
def test_nice_is_asked_for_only_without_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SCHED_FIFO is granted, nothing else is asked for."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda *args: asked.append(args))
    monkeypatch.setattr(os, "setpriority", lambda *args: pytest.fail(f"asked for nice {args}"))
    report = become_realtime(priority=20, freeze_heap=False)
    assert asked[0][1] == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    assert report.notes == ()
    assert not report.is_heap_frozen


def test_asking_for_nothing_changes_nothing() -> None:
    """Priority zero and no core leave the process as it is."""
    before = realtime.read_realtime()
    assert become_realtime(priority=0, freeze_heap=False) == before


def test_a_loop_that_is_always_late_still_sleeps(clock: ManualClock) -> None:
    """Real-time priority must not starve the machine: every ten beats it sleeps 0.2 ms."""
    node = Beats(clock, lambda _: 12 * MS_NS)
    run_at_rate(node, clock, 100.0, node.has_made(21))
    gaps_ns = [after - before for before, after in pairwise(node.stamps_ns)]
    assert gaps_ns == ([12 * MS_NS] * 9 + [12 * MS_NS + 200_000]) * 2
