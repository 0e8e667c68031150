"""One status for all who watch."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_fakes import SECOND_NS, FakeRuntime, observation, point_arm

from agent import page_hub
from agent.page_hub import Hub, Snapshot
from agent.server_state import ServerState
from bridge.clock import ManualClock
from bridge.errors import ContractError, UnknownNameError
from bridge.messages import Observation

BEAT_NS = SECOND_NS // 10
PICTURE_NS = SECOND_NS // 5


class CountedState(ServerState):
    """Counts how often the status is made."""

    made = 0

    def status(self) -> dict[str, Any]:
        """As ever."""
        self.made += 1
        return super().status()


class VirtualSleep:
    """Sleepers that wake when virtual time is let pass."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._sleepers: list[tuple[int, asyncio.Event]] = []

    async def sleep(self, delay_s: float) -> None:
        """Until so much virtual time has passed [s]."""
        awake = asyncio.Event()
        self._sleepers.append((self._clock.now_ns() + round(delay_s * SECOND_NS), awake))
        await awake.wait()

    async def pass_beats(self, count: int) -> None:
        """Let everybody run, then let a beat pass; so often, and let them run once more."""
        for _ in range(count):
            await self._settle()
            self._clock.advance_ns(BEAT_NS)
            due = [
                each for each in self._sleepers if each[0] <= self._clock.now_ns() + BEAT_NS // 2
            ]
            self._sleepers = [each for each in self._sleepers if each not in due]
            for _, awake in due:
                awake.set()
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def _next(snapshots: AsyncGenerator[Snapshot]) -> Snapshot:
    return await anext(snapshots)


class Watched:
    """A hub with its run and its time."""

    def __init__(self) -> None:
        self.run, self.clock = FakeRuntime(), ManualClock(SECOND_NS)
        self.state = CountedState(self.run, point_arm())
        self.time = VirtualSleep(self.clock)
        self.hub = Hub(self.state, self.clock, self.time.sleep)


@pytest.fixture
def watched() -> Watched:
    """A run that nobody watches yet."""
    return Watched()


def test_a_status_is_made_once_a_beat(watched: Watched) -> None:
    """However many ask, within a beat all get the same; with the next beat there is a new one."""
    first = watched.hub.snapshot()
    assert all(watched.hub.snapshot() is first for _ in range(100))
    watched.clock.advance_ns(BEAT_NS)
    second = watched.hub.snapshot()
    assert (second.number, watched.state.made) == (first.number + 1, 2)
    assert json.loads(first.encoded) == first.status


def test_a_verb_is_seen_at_once(watched: Watched) -> None:
    """Whoever has just stopped the robot is not shown a status from before it."""
    assert watched.hub.snapshot().status["stop"] is None
    watched.state.stop("a hand", "test")
    assert watched.hub.snapshot().status["stop"]["reason"] == "a hand"


async def test_ten_listeners_cost_one_status_a_beat(watched: Watched) -> None:
    """All are told the same at the same beat, and each at every beat."""
    told: list[list[int]] = [[] for _ in range(10)]

    async def listen(mine: list[int]) -> None:
        async for snapshot in watched.hub.subscribe():
            mine.append(snapshot.number)
            if len(mine) == 5:
                return

    async with asyncio.TaskGroup() as group:
        for mine in told:
            group.create_task(listen(mine))
        await watched.time.pass_beats(5)
    assert told == [[0, 1, 2, 3, 4]] * 10
    assert watched.state.made == 5


async def test_a_slow_listener_gets_the_newest(watched: Watched) -> None:
    """What it missed is gone; it never works through what is old, and holds nobody up."""
    slow = watched.hub.subscribe()
    first = await anext(slow)
    for _ in range(7):
        watched.clock.advance_ns(BEAT_NS)
        watched.hub.snapshot()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(_next(slow))
        await watched.time.pass_beats(2)
    assert (first.number, following.result().number) == (0, 8)
    await slow.aclose()


async def test_who_wants_to_be_told_is_told_until_it_ends_it(watched: Watched) -> None:
    """One that fails is left out, and takes the beat from nobody."""
    told, failed = list[int](), list[int]()

    def fail(snapshot: Snapshot) -> None:
        failed.append(snapshot.number)
        raise ContractError(leaf="a listener's", expected="nothing", got="a bug")

    watched.hub.tell(fail)
    end = watched.hub.tell(lambda snapshot: told.append(snapshot.number))
    async with asyncio.TaskGroup() as group:
        beat = group.create_task(watched.hub.run())
        await watched.time.pass_beats(3)
        end()
        await watched.time.pass_beats(3)
        beat.cancel()
    assert (told, failed) == ([0, 1, 2, 3], [0])
    assert watched.state.made == len(told)


async def test_a_picture_is_encoded_once_for_all_who_ask(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tabs at once cost one encoding; so does the same picture asked for again and again."""
    encoded = count_encodings(monkeypatch)
    watched.run.publish("observation", observation())
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(watched.hub.picture("front", "png")) for _ in range(10)]
    assert len({task.result() for task in asked}) == 1
    watched.clock.advance_ns(10 * PICTURE_NS)
    await watched.hub.picture("front", "png")
    assert encoded == ["png"]


async def test_new_pictures_are_encoded_so_often_and_no_more(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera that is faster than the page costs no more than the page's own rate."""
    encoded = count_encodings(monkeypatch)
    shades: set[int] = set()
    for number in range(100):
        shade = np.full((2, 2, 3), number, np.uint8)
        seen = Observation(
            stamp_ns=number, sequence=number, images={"up": shade}, proprioception={}
        )
        watched.run.publish("observation", seen)
        picture = Image.open(io.BytesIO(await watched.hub.picture("up", "png")))
        shades.add(np.asarray(picture)[0, 0, 0])
        watched.clock.advance_ns(PICTURE_NS // 10)
    assert len(encoded) == len(shades) == 10


async def test_a_camera_that_is_not_there(watched: Watched) -> None:
    """A name or a format that there is none of is answered with what there is."""
    with pytest.raises(UnknownNameError, match="camera"):
        await watched.hub.picture("front", "png")
    with pytest.raises(UnknownNameError, match="picture format"):
        await watched.hub.picture("front", "bmp")


def count_encodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats in which pictures were encoded from now on."""
    encode, done = page_hub._encode, list[str]()

    def counted(image: Any, kind: str) -> bytes:
        done.append(kind)
        return encode(image, kind)

    monkeypatch.setattr(page_hub, "_encode", counted)
    return done
