"""Looks at what the robot shows before anybody acts on it: is it as declared, and does it live?

What is not as declared is kept back: it grows old, and the loop holds. A camera that is dark or
does not change may be right all the same, so that is only told.
"""

import numpy as np

from bridge.arrays import AnyArray, ImageArray
from bridge.clock import seconds_between
from bridge.messages import Observation
from bridge.specs import ArraySpec, ObservationSpec

# Pictures are looked at this often [s]: a look at two of 224² takes about 0.1 ms.
_PICTURE_PERIOD_S = 0.1
# A living camera has noise; a still picture of a moving robot is told after this time [s].
_STILL_AFTER_S = 1.0


class ObservationWatch:
    """Keeps the books on one robot's observations. Sans I/O."""

    def __init__(self, spec: ObservationSpec) -> None:
        self._spec = spec
        self._looked_ns: int | None = None
        self._pictures: dict[str, _Picture] = {}
        self.suspicion = ""

    def trouble_with(self, observation: Observation) -> str:
        """Why an observation cannot be used, in words; empty when it can.

        Missing arrays, other shapes and types, and values that are not finite. Bounds are not
        looked at: a reading a hair outside is no reason to stand still.
        """
        groups = (
            ("images", self._spec.images, dict(observation.images)),
            ("proprioception", self._spec.proprioception, observation.proprioception),
        )
        for group, specs, arrays in groups:
            for spec in specs:
                trouble = _trouble(spec, arrays.get(spec.name))
                if trouble:
                    return f"observation.{group}.{spec.name}: expected {spec}, got {trouble}"
        return ""

    def look(self, observation: Observation, now_ns: int) -> None:
        """Look at the pictures now and then; `suspicion` says what may be wrong with a camera."""
        looked_ns = self._looked_ns
        if looked_ns is not None and seconds_between(looked_ns, now_ns) < _PICTURE_PERIOD_S:
            return
        self._looked_ns = now_ns
        reading = np.concatenate(
            [np.ravel(array) for array in observation.proprioception.values()] or [np.zeros(0)]
        )
        told = [
            self._pictures.setdefault(camera, _Picture()).look(camera, image, reading, now_ns)
            for camera, image in observation.images.items()
        ]
        self.suspicion = "; ".join(text for text in told if text)


class _Picture:
    """What one camera showed last, and since when."""

    def __init__(self) -> None:
        self._image: ImageArray | None = None
        self._reading: AnyArray | None = None
        self._since_ns = 0

    def look(self, camera: str, image: ImageArray, reading: AnyArray, now_ns: int) -> str:
        """What is suspicious about a camera now, or nothing."""
        if image.size and image.min() == image.max():
            return f"camera {camera!r} shows one colour"
        is_same = self._image is not None and np.array_equal(image, self._image)
        if not is_same:
            self._image, self._reading, self._since_ns = image, reading, now_ns
            return ""
        still_s = seconds_between(self._since_ns, now_ns)
        if still_s <= _STILL_AFTER_S or not self._has_moved(reading):
            return ""
        return f"camera {camera!r} shows the same picture although the robot moves"

    def _has_moved(self, reading: AnyArray) -> bool:
        """Whether the robot feels something else than when the picture was new."""
        before = self._reading
        return before is not None and not (
            before.shape == reading.shape and np.allclose(before, reading, atol=0.05)
        )


def _trouble(spec: ArraySpec, array: AnyArray | None) -> str:
    if array is None:
        return "nothing"
    if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
        return f"{array.dtype}{list(array.shape)}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{int(array.size - np.isfinite(array).sum())} of {array.size} values not finite"
    return ""
