import asyncio
import threading

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
