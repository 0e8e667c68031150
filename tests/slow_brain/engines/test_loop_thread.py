import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator

import pytest

from bridge.errors import TransportError
from slow_brain.engines import loop_thread
from slow_brain.engines.loop_thread import LoopThread


async def answer() -> int:
    """Something quick."""
    return 42


def test_a_coroutine_is_run_for_whoever_waits() -> None:
    """What the coroutine returns or raises arrives in the thread that asked."""
    loop = LoopThread("test")
    assert loop.run(answer(), 5, "an answer") == 42
    with pytest.raises(TransportError, match=r"silence took longer than 0\.01 s"):
        loop.run(asyncio.Event().wait(), 0.01, "silence")
    assert loop.run(answer(), 5, "an answer") == 42
    loop.close()


async def counting(closed: threading.Event, *, last: int = 1_000_000) -> AsyncGenerator[int]:
    """Numbers in order; notes when it is closed."""
    try:
        for number in range(last):
            yield number
            await asyncio.sleep(0)
        raise ValueError("no more")
    finally:
        closed.set()


def test_items_arrive_in_order_and_the_source_is_closed_with_its_reader() -> None:
    """Whoever stops reading stops the source, and knows that it has stopped."""
    loop, closed = LoopThread("test"), threading.Event()
    with contextlib.closing(loop.iterate(counting(closed), 5, "numbers")) as numbers:
        assert [next(numbers) for _ in range(5)] == list(range(5))
    assert closed.is_set()
    loop.close()


def test_what_a_source_raises_is_raised_where_it_is_read() -> None:
    """An error of the source comes after all of its items."""
    loop, closed = LoopThread("test"), threading.Event()
    told = []
    with pytest.raises(ValueError, match="no more"):
        told.extend(loop.iterate(counting(closed, last=3), 5, "numbers"))
    assert closed.is_set()
    loop.close()


async def silent() -> AsyncGenerator[int]:
    """Never yields."""
    await asyncio.Event().wait()
    yield 0


def test_a_silent_source_is_given_up_and_closed() -> None:
    """Silence has a limit."""
    loop = LoopThread("test")
    with pytest.raises(TransportError, match=r"numbers took longer than 0\.05 s"):
        list(loop.iterate(silent(), 0.05, "numbers"))
    loop.close()


def test_a_blocked_loop_does_not_block_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that blocks the loop cannot keep its user from going on."""
    monkeypatch.setattr(loop_thread, "_STOP_LIMIT_S", 0.01)
    loop, release = LoopThread("test"), threading.Event()

    async def block() -> None:
        release.wait(10)

    with pytest.raises(TransportError):
        loop.run(block(), 0.01, "blocking")
    loop.close()
    release.set()
    loop._thread.join(5)
    loop._loop.close()
