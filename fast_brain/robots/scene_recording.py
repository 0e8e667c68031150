"""What happened in the scene, kept as joint states and drawn as a film afterwards.

States are a thousand times smaller than pictures and can be drawn at any size, from any run.
"""

import bisect
import collections
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
import structlog
from PIL import Image, ImageDraw, ImageFont

from bridge import AnyArray, ContractError, ImageArray
from fast_brain.robots.scene_camera import CameraKind, make_camera
from fast_brain.robots.scene_physics import ScenePhysics

STATE_RATE_HZ = 25
FILM_SIZE_PX = 480
_LONGEST_S = 600.0
_NS_PER_S = 1_000_000_000
_CAPTION_HEIGHT_PX = 28
_CAPTION_COLOUR = (255, 255, 255)

_log = structlog.get_logger(__name__)


class SceneStates(NamedTuple):
    """A recording: stamps [T] in ns, joint positions [T, Q], unlocked buttons [T, 2] of 0 or 1."""

    stamp_ns: AnyArray
    joint_positions: AnyArray
    buttons: AnyArray


class StateRecorder:
    """Keeps the newest minutes of a run; the oldest states fall out."""

    def __init__(self, longest_s: float = _LONGEST_S) -> None:
        self._states: collections.deque[tuple[int, AnyArray, AnyArray]] = collections.deque(
            maxlen=max(1, round(longest_s * STATE_RATE_HZ))
        )

    def note(self, now_ns: int, physics: ScenePhysics) -> None:
        """Keep this state if 1/25 s has passed since the last one. Called each beat; < 0.02 ms."""
        if self._states and now_ns - self._states[-1][0] < _NS_PER_S // STATE_RATE_HZ:
            return
        positions = physics.data.qpos.astype(np.float32)
        self._states.append((now_ns, positions, physics.button_states.astype(np.uint8)))

    def states(self) -> SceneStates:
        """What was kept, oldest first."""
        kept = list(self._states)
        return SceneStates(
            np.array([state[0] for state in kept], np.int64),
            np.array([state[1] for state in kept], np.float32),
            np.array([state[2] for state in kept], np.uint8),
        )


def save_states(path: Path, states: SceneStates) -> None:
    """Write a recording as a numpy archive; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    with aside.open("wb") as file:
        np.savez_compressed(file, **states._asdict())
    aside.replace(path)


def load_states(path: Path) -> SceneStates:
    """Read a recording.

    Raises:
        ContractError: The file is not one.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return SceneStates(*(archive[name] for name in SceneStates._fields))
    except (KeyError, ValueError, EOFError) as error:
        raise ContractError(leaf=str(path), expected="a scene recording", got=error) from error


def render_states(
    states: SceneStates,
    path: Path,
    captions: Sequence[tuple[int, str]] = (),
    *,
    camera: CameraKind = "auto",
    size_px: int = FILM_SIZE_PX,
) -> Path:
    """Draw a recording as a film, front view, at the speed it happened.

    Args:
        states: What to draw.
        path: Where to write; ".gif" makes a GIF, anything else an MP4.
        captions: (stamp in ns, text) in order of time: each stands from its stamp on.
        camera: With what to draw.
        size_px: Width and height of the film [px].

    Returns:
        The file written: with suffix ".gif" where this machine has no MP4 encoder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = _frames(states, captions, camera, size_px)
    if path.suffix != ".gif" and _has_encoder():
        return _write_mp4(path, frames)
    return _write_gif(path.with_suffix(".gif"), frames)


def _frames(
    states: SceneStates, captions: Sequence[tuple[int, str]], kind: CameraKind, size_px: int
) -> Iterator[ImageArray]:
    physics = ScenePhysics()
    camera = make_camera(physics.model, kind, size_px)
    stamps = [stamp for stamp, _ in captions]
    try:
        for stamp_ns, positions, buttons in zip(*states, strict=True):
            _pose(physics, positions, buttons)
            index = bisect.bisect_right(stamps, int(stamp_ns)) - 1
            text = captions[index][1] if index >= 0 else ""
            yield _captioned(camera.take(physics.data, "front"), text)
    finally:
        camera.close()


def _pose(physics: ScenePhysics, positions: AnyArray, buttons: AnyArray) -> None:
    physics.data.qpos[:] = positions
    physics.set_locks(drawer=not buttons[0], window=not buttons[1])
    mujoco.mj_forward(physics.model, physics.data)


def _captioned(image: ImageArray, text: str) -> ImageArray:
    """Add a strip with the text below the picture; present without text too, so sizes agree."""
    height, width = image.shape[:2]
    canvas = Image.new("RGB", (width, height + _CAPTION_HEIGHT_PX))
    canvas.paste(Image.fromarray(image), (0, 0))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(canvas).text((8, height + 5), text, fill=_CAPTION_COLOUR, font=font)
    return np.asarray(canvas)


def _has_encoder() -> bool:
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        _log.warning("scene_recording.no_mp4", cause=str(error), instead="gif")
        return False
    return True


def _write_mp4(path: Path, frames: Iterator[ImageArray]) -> Path:
    import imageio_ffmpeg

    first = next(frames)
    size = (first.shape[1], first.shape[0])
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=STATE_RATE_HZ, quality=7, macro_block_size=4
    )
    writer.send(None)
    try:
        writer.send(first.tobytes())
        for frame in frames:
            writer.send(frame.tobytes())
    finally:
        writer.close()
    return path


def _write_gif(path: Path, frames: Iterator[ImageArray]) -> Path:
    # Half the rate: a GIF counts time in hundredths of a second, and is large.
    images = [Image.fromarray(frame).quantize(64) for frame in list(frames)[::2]]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=2000 // STATE_RATE_HZ, loop=0
    )
    return path
