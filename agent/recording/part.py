"""One file of a run: redacted events, what the robot sensed, and what viewers understand of it."""

from collections.abc import Mapping
from pathlib import Path

from agent.recording.config import RecordingConfig
from agent.recording.observation_facts import OBSERVATION, facts_of
from agent.recording.pictures import encode_picture
from agent.recording.redaction import Redaction
from agent.recording.trace_file import Anchor, TraceFile
from agent.recording.viewing import for_viewers
from bridge.arrays import ImageArray
from bridge.messages import Observation
from bridge.trace import TraceEvent

# As what observations are told: of the mailbox that was looked into.
MAILBOX = "mailbox"
# A scene that stands still looks the same again and again; beyond this it is written anew.
_MOST_PICTURES = 100_000
# One is sampled, and shown to the planner, within this many.
_MOST_STAMPS = 100


class Part:
    """Writes one file, which stands on its own: each picture is in each part that tells of it.

    Args:
        path: Where; nothing may be there yet.
        anchor: How stamps become times of day.
        about: What is written about the run.
        settings: How pictures are kept.
        redaction: What is left out.

    Raises:
        OSError: It cannot be made or written.
    """

    def __init__(
        self,
        path: Path,
        anchor: Anchor,
        about: Mapping[str, str],
        settings: RecordingConfig,
        redaction: Redaction,
    ) -> None:
        self.file = TraceFile(path, anchor, about)
        self._settings = settings
        self._redaction = redaction
        self._pictures: set[tuple[str, str]] = set()
        self._stamps: dict[int, None] = {}

    def write(self, node: str, event: TraceEvent) -> None:
        """Add an event, and what of it a viewer of traces understands.

        Raises:
            OSError: The disk refuses.
        """
        clean = self._redaction.apply(event)
        self.file.write(node, clean)
        for shown in for_viewers(node, clean, self.file.wall_of):
            self.file.publish(shown.topic, shown.schema, shown.stamp_ns, shown.data)

    def write_observation(self, observation: Observation) -> None:
        """Add an observation that is not written yet, and those of its pictures that are not.

        Raises:
            OSError: The disk refuses.
        """
        stamp_ns = observation.stamp_ns
        if stamp_ns in self._stamps:
            return
        self._stamps[stamp_ns] = None
        if len(self._stamps) > _MOST_STAMPS:
            del self._stamps[next(iter(self._stamps))]
        facts = facts_of(observation)
        for camera, image in observation.images.items():
            if not self._redaction.hides("images", camera):
                self._write_picture(camera, facts["images"][camera], image, stamp_ns)
        self.write(MAILBOX, TraceEvent(kind=OBSERVATION, stamp_ns=stamp_ns, facts=facts))

    def _write_picture(self, camera: str, name: str, image: ImageArray, stamp_ns: int) -> None:
        if (camera, name) in self._pictures:
            return
        settings = self._settings
        encoded = encode_picture(
            image,
            lossless_up_to_px=settings.lossless_up_to_px,
            jpeg_quality=settings.jpeg_quality,
        )
        if encoded is None:
            return
        if len(self._pictures) >= _MOST_PICTURES:
            self._pictures.clear()
        self._pictures.add((camera, name))
        data, image_format = encoded
        self.file.add_picture(camera, stamp_ns, data, image_format, name)
