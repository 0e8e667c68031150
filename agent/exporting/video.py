"""A run as a film: all cameras side by side as fast as it happened, with what was being done.

Small enough to be sent: however long the run, the file stays below a limit, of which long runs get
fewer bits a second.
"""

import bisect
import io
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent.exporting.frames import Pictures
from agent.exporting.stretch import OnProgress, Stretch, caption_at, goal_at
from agent.recording.observation_facts import OBSERVATION
from bridge.arrays import ImageArray
from bridge.errors import ConfigError

_NS_PER_S = 1_000_000_000
_BITS_PER_MEGABYTE = 8_000_000
FRAMES_PER_SECOND = 20
# As high as a camera's picture is shown, and as wide as all together may be.
_HEIGHT_PX, _MOST_WIDTH_PX = 360, 1280
_CAPTION_HEIGHT_PX = 56
_MOST_MEGABYTES = 50
_MOST_BITS_PER_SECOND = 2_000_000
# Of the limit, what is left for the frames when the container has had its part.
_SHARE_OF_FRAMES = 0.9
# What the encoder may take once it has all frames [s].
_LONGEST_END_S = 300.0
_BOX = struct.Struct(">I4s")
_WIDE_FONT, _FONT_PX = "DejaVuSans.ttf", 18
_WHITE, _GREY = (255, 255, 255), (160, 160, 160)


class _Shot(NamedTuple):
    """What one frame shows: the name of each camera's picture, "" before its first, and words."""

    pictures: tuple[str, ...]
    head: str
    caption: str


def write_video(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write an MP4.

    Raises:
        ConfigError: There are no pictures there.
    """
    pictures = Pictures(stretch)
    stamps, shown = _shown(stretch, pictures)
    sheet = _Sheet(pictures, shown)
    total = max(1, round(stretch.length_s * FRAMES_PER_SECOND))
    shots = list(_shots(stretch, stamps, shown, total))
    try:
        _encode(path, sheet, shots, lambda number: on_progress(number, total))
    except OSError as error:
        raise OSError(f"the encoder ended early; {_free(path)}") from error
    _check_whole(path)
    width_px, height_px = sheet.size
    facts = {"cameras": list(shown), "frames": total, "frames_per_second": FRAMES_PER_SECOND}
    return facts | {"width_px": width_px, "height_px": height_px}


def _encode(
    path: Path, sheet: "_Sheet", shots: Sequence[_Shot], on_frame: Callable[[int], None]
) -> None:
    length_s = len(shots) / FRAMES_PER_SECOND
    film = imageio_ffmpeg.write_frames(
        str(path),
        sheet.size,
        fps=FRAMES_PER_SECOND,
        codec="libx264",
        quality=None,
        macro_block_size=2,
        ffmpeg_timeout=_LONGEST_END_S,
        output_params=_limits(length_s),
    )
    film.send(None)
    try:
        for number, shot in enumerate(shots, 1):
            film.send(sheet.draw(shot).tobytes())
            on_frame(number)
    finally:
        film.close()


def _check_whole(path: Path) -> None:
    """The encoder may end without saying that it could not write the rest.

    It moves the index before the frames when all is written: an MP4 is boxes one after the other,
    each its size [bytes, uint32] and its kind (ISO/IEC 14496-12, 4.2).
    """
    size_bytes, offset, kinds = path.stat().st_size, 0, list[bytes]()
    with path.open("rb") as file:
        while offset < size_bytes:
            file.seek(offset)
            length, kind = _BOX.unpack(file.read(_BOX.size).ljust(_BOX.size, b"\0"))
            if length < _BOX.size:
                break
            kinds.append(kind)
            offset += length
    is_whole = offset == size_bytes and b"mdat" in kinds and b"moov" in kinds
    if not is_whole or kinds.index(b"moov") > kinds.index(b"mdat"):
        raise OSError(f"the encoder did not finish; {_free(path)}")


def _free(path: Path) -> str:
    return f"{shutil.disk_usage(path.parent).free / 1e6:.1f} MB are free there"


def _limits(length_s: float) -> list[str]:
    """What keeps the file below the limit, as the encoder's options."""
    most = _SHARE_OF_FRAMES * _MOST_MEGABYTES * _BITS_PER_MEGABYTE / max(length_s, 1.0)
    rate = str(round(min(_MOST_BITS_PER_SECOND, most)))
    # The index first, so that a film plays while it is being fetched.
    return [
        "-preset",
        "veryfast",
        "-crf",
        "23",
        "-maxrate",
        rate,
        "-bufsize",
        rate,
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
    ]


def _shown(stretch: Stretch, pictures: Pictures) -> tuple[list[int], dict[str, list[str]]]:
    """When the cameras were looked at [T] in ns, and what each of them then showed [T]."""
    events = sorted(stretch.events(OBSERVATION), key=lambda event: event.stamp_ns)
    seen = dict.fromkeys(pictures.cameras, "")
    shown: dict[str, list[str]] = {camera: [] for camera in pictures.cameras}
    for event in events:
        for camera, name in event.facts["images"].items():
            if pictures.has(name):
                seen[camera] = name
        for camera, name in seen.items():
            shown[camera].append(name)
    shown = {camera: names for camera, names in shown.items() if any(names)}
    if not shown:
        raise ConfigError(
            f"Run {stretch.run.id} has no pictures there to make a film of: its robot has no "
            "camera, or they were redacted, or recording.observation_rate_hz is 0. "
            "--to html shows what happened without them."
        )
    return [event.stamp_ns for event in events], shown


def _shots(
    stretch: Stretch, stamps: list[int], shown: dict[str, list[str]], total: int
) -> Iterator[_Shot]:
    for number in range(total):
        at_ns = stretch.first_ns + number * _NS_PER_S // FRAMES_PER_SECOND
        place = bisect.bisect_right(stamps, at_ns) - 1
        at_s = stretch.run.seconds(at_ns)
        yield _Shot(
            pictures=tuple(names[place] if place >= 0 else "" for names in shown.values()),
            head=f"{at_s:6.1f} s   {goal_at(stretch.story, at_s)}",
            caption=caption_at(stretch.story, at_s),
        )


class _Sheet:
    """Draws frames; of a scene that stands still, what it drew before.

    Args:
        pictures: Where the pictures are.
        shown: What each camera showed over time; their sizes are those of their first pictures.
    """

    def __init__(self, pictures: Pictures, shown: dict[str, list[str]]) -> None:
        self._pictures = pictures
        sizes = [self._open(next(filter(None, names))).size for names in shown.values()]
        heights = [_HEIGHT_PX] * len(sizes)
        widths = [round(_HEIGHT_PX * width / height) for width, height in sizes]
        if sum(widths) > _MOST_WIDTH_PX:
            shrunk = _MOST_WIDTH_PX / sum(widths)
            widths = [int(width * shrunk) for width in widths]
            heights = [int(height * shrunk) for height in heights]
        self._sizes = list(zip(widths, heights, strict=True))
        # Encoders want even numbers.
        width, height = sum(widths), max(heights) + _CAPTION_HEIGHT_PX
        self.size = (width + width % 2, height + height % 2)
        self._font = _font()
        self._last: tuple[_Shot, ImageArray] | None = None

    def draw(self, shot: _Shot) -> ImageArray:
        """One frame, uint8 [height, width, 3]."""
        if self._last is None or self._last[0] != shot:
            self._last = (shot, self._drawn(shot))
        return self._last[1]

    def _drawn(self, shot: _Shot) -> ImageArray:
        sheet = Image.new("RGB", self.size)
        left = 0
        for name, size in zip(shot.pictures, self._sizes, strict=True):
            if name:
                sheet.paste(self._open(name).resize(size, Image.Resampling.LANCZOS), (left, 0))
            left += size[0]
        pen, top = ImageDraw.Draw(sheet), self.size[1] - _CAPTION_HEIGHT_PX
        pen.text((8, top + 4), self._fitting(shot.head), fill=_GREY, font=self._font)
        pen.text((8, top + 29), self._fitting(shot.caption), fill=_WHITE, font=self._font)
        return np.asarray(sheet)

    def _open(self, name: str) -> Image.Image:
        return Image.open(io.BytesIO(self._pictures.file(name)[0])).convert("RGB")

    def _fitting(self, text: str) -> str:
        """As much of a text as fits into the width."""
        room = self.size[0] - 16
        if self._font.getlength(text) <= room:
            return text
        while text and self._font.getlength(f"{text}...") > room:
            text = text[:-1]
        return f"{text}..."


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """One that knows many scripts where the machine has it, else Pillow's own, which knows few."""
    try:
        return ImageFont.truetype(_WIDE_FONT, _FONT_PX)
    except OSError:
        return ImageFont.load_default(size=_FONT_PX)
