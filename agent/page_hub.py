"""One status for all who watch: made once a beat, encoded once, however many tabs are open.

Nobody waits for anybody: whoever is slow misses some beats, and always gets the newest.
"""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

from agent.logs import get_logger
from agent.server_state import ServerState
from bridge.arrays import ImageArray
from bridge.clock import SystemClock
from bridge.errors import UnknownNameError
from bridge.protocols import Clock

FORMATS = {"png": "PNG", "jpg": "JPEG"}
_NS_PER_S = 1_000_000_000
_JPEG_QUALITY = 90
# A sleep may end a moment too early, which would be the beat before once more.
_MARGIN_S = 0.001
_log = get_logger("hub")

Listener = Callable[["Snapshot"], None]


class Snapshot(NamedTuple):
    """The run at one beat: to be looked at only. `number` grows; `encoded` is JSON."""

    number: int
    status: dict[str, Any]
    encoded: bytes


class Hub:
    """Shares what is known of a run. For the server's event loop alone.

    Args:
        state: The run.
        clock: When the next beat is due; the machine's if None.
        sleep: Waits for so long [s].
    """

    def __init__(
        self,
        state: ServerState,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        serve = state.config.serve
        self._state = state
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._period_ns = round(_NS_PER_S / serve.status_rate_hz)
        self._picture_period_ns = round(_NS_PER_S / serve.video_rate_hz)
        self._snapshot: Snapshot | None = None
        self._made_for = (-1, -1)
        self._listeners: list[Listener] = []
        self._pictures: dict[tuple[str, str], _Picture] = {}

    @property
    def period_s(self) -> float:
        """Time from one beat to the next [s]."""
        return self._period_ns / _NS_PER_S

    def snapshot(self) -> Snapshot:
        """The newest; made anew at most once a beat, and after a verb of a person."""
        made_for = (self._clock.now_ns() // self._period_ns, self._state.revision)
        if self._snapshot is None or made_for != self._made_for:
            self._made_for = made_for
            number = 0 if self._snapshot is None else self._snapshot.number + 1
            status = self._state.status()
            encoded = json.dumps(status, allow_nan=False).encode()
            self._snapshot = Snapshot(number, status, encoded)
        return self._snapshot

    async def subscribe(self) -> AsyncGenerator[Snapshot]:
        """The newest snapshot at each beat, for as long as somebody asks for the next."""
        while True:
            yield self.snapshot()
            await self._next_beat()

    def tell(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every beat of `run`, watched or not; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Keep the beat for those who want to be told; until it is cancelled."""
        while True:
            for listener in tuple(self._listeners):
                self._tell(listener)
            await self._next_beat()

    async def picture(self, camera: str, kind: str) -> bytes:
        """The newest picture of a camera as "png" or "jpg".

        Encoded beside the event loop, once for all who ask, and `serve.video_rate_hz` times a
        second at most.

        Raises:
            UnknownNameError: There is no such camera, or no such format.
        """
        if kind not in FORMATS:
            raise UnknownNameError(kind="picture format", name=kind, known=FORMATS)
        image = self._state.image(camera)
        if image is None:
            raise UnknownNameError(kind="camera", name=camera, known=self._state.camera_names())
        kept = self._pictures.setdefault((camera, kind), _Picture())
        async with kept.lock:
            now_ns, stamp_ns = self._clock.now_ns(), self._state.observation_stamp_ns() or 0
            is_due = kept.stamp_ns is None or now_ns - kept.made_ns >= self._picture_period_ns
            if is_due and stamp_ns != kept.stamp_ns:
                image = self._state.image(camera)
                if image is not None:
                    kept.data = await asyncio.to_thread(_encode, image, kind)
                    kept.stamp_ns, kept.made_ns = stamp_ns, now_ns
            return kept.data

    def _tell(self, listener: Listener) -> None:
        try:
            listener(self.snapshot())
        except Exception:  # noqa: BLE001  # Said below.
            # One that fails must not take the beat from the others; it is heard of once.
            _log.exception("listener_failed")
            self._listeners.remove(listener)

    async def _next_beat(self) -> None:
        """Sleep until the beat that all share, so that the first to wake makes it for all."""
        left_ns = self._period_ns - self._clock.now_ns() % self._period_ns
        await self._sleep(left_ns / _NS_PER_S + _MARGIN_S)


class _Picture:
    """A picture that was encoded, and what it was made from."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.stamp_ns: int | None = None
        self.made_ns = 0
        self.data = b""


def _encode(image: ImageArray, kind: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=FORMATS[kind], quality=_JPEG_QUALITY)
    return buffer.getvalue()
