"""A few small pictures that tell how a run went, as HTML that holds them itself."""

import base64
import bisect
import io
from collections.abc import Iterator
from html import escape

from PIL import Image

from agent.exporting.frames import Pictures
from agent.exporting.stretch import Stretch, caption_at
from agent.recording.observation_facts import OBSERVATION
from agent.tracing.story import SubtaskStory

_NS_PER_S = 1_000_000_000
_HEIGHT_PX, _MOST_MOMENTS = 96, 16
# Of moments closer than this, one is shown [s].
_LEAST_APART_S = 0.3
_JPEG_QUALITY = 80


def picture_strip(stretch: Stretch) -> str:
    """The cameras when each subtask began and ended, and at both ends; "" without pictures."""
    pictures = Pictures(stretch)
    if not pictures.cameras:
        return ""
    seen = _seen(stretch, pictures)
    stamps = [stamp_ns for stamp_ns, _ in seen]
    shown = list[str]()
    for at_s in _moments(stretch):
        at_ns = stretch.run.start_ns + round(at_s * _NS_PER_S)
        place = max(0, bisect.bisect_right(stamps, at_ns) - 1)
        if seen and seen[place][1]:
            shown.append(_figure(stretch, pictures, at_s, seen[place][1]))
    if not shown:
        return ""
    return f'<div class="pictures" tabindex="0">{"".join(shown)}</div>'


def _seen(stretch: Stretch, pictures: Pictures) -> list[tuple[int, dict[str, str]]]:
    """When the cameras were looked at [ns], and what each then showed."""
    found = list[tuple[int, dict[str, str]]]()
    for event in sorted(stretch.events(OBSERVATION), key=lambda event: event.stamp_ns):
        names = event.facts["images"].items()
        known = {camera: name for camera, name in names if pictures.has(name)}
        found.append((event.stamp_ns, known))
    return found


def _moments(stretch: Stretch) -> Iterator[float]:
    """What is worth a picture [s since the recording began], in order of time."""
    run, story = stretch.run, stretch.story
    first_s, last_s = run.seconds(stretch.first_ns), run.seconds(stretch.last_ns)
    ends = [at_s for goal in story.goals for each in goal.subtasks for at_s in _ends(each)]
    wanted = sorted({first_s, *(at_s for at_s in ends if first_s < at_s < last_s), last_s})
    apart = [wanted[0]]
    for at_s in wanted[1:]:
        if at_s - apart[-1] >= _LEAST_APART_S:
            apart.append(at_s)
    # Evenly, the last one always.
    step = -(-len(apart) // _MOST_MOMENTS)
    return iter(apart[::-1][::step][::-1])


def _ends(subtask: SubtaskStory) -> Iterator[float]:
    for at_s in (subtask.began_s, subtask.ended_s):
        if at_s is not None:
            yield at_s


def _figure(stretch: Stretch, pictures: Pictures, at_s: float, names: dict[str, str]) -> str:
    words = caption_at(stretch.story, at_s)
    images = "".join(
        f'<img src="{_data(pictures.file(name)[0])}" height="{_HEIGHT_PX}" '
        f'alt="{escape(f"camera {camera} at {at_s:.1f} s", quote=True)}">'
        for camera, name in names.items()
    )
    caption = f"<time>{at_s:.1f} s</time>{escape(words)}"
    return f"<figure>{images}<figcaption>{caption}</figcaption></figure>"


def _data(picture: bytes) -> str:
    """A picture as it stands in a page, made small."""
    with Image.open(io.BytesIO(picture)) as image:
        width = max(1, round(image.width * _HEIGHT_PX / image.height))
        small = image.convert("RGB").resize((width, _HEIGHT_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
