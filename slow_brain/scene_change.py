"""Does the scene look different from when the planner last looked? Coarse, and with hysteresis."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bridge.arrays import FloatArray, ImageArray
from bridge.messages import Observation

_CELLS = 8


class SceneChangeConfig(BaseModel):
    """When a picture counts as another scene; off until `cameras` names one.

    A picture is compared in 8 × 8 cells of mean brightness, 0 to 1. It is another scene when the
    most changed cell differs by `level` in `looks` looks in a row. Until the planner has looked
    again, or everything is back within `rest_level`, it is not told again. The robot's own arm
    changes pictures too: choose a camera that does not see it, or a level above it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cameras: tuple[str, ...] = ()
    level: float = Field(default=0.25, gt=0, le=1)
    rest_level: float = Field(default=0.1, ge=0, le=1)
    looks: int = Field(default=3, ge=1)


class SceneChange:
    """Compares pictures with those that the planner saw last. For one thread."""

    def __init__(self, config: SceneChangeConfig) -> None:
        self._config = config
        self._known: dict[str, FloatArray] = {}
        self._hits = 0
        self._is_armed = True

    def settle(self, observation: Observation) -> None:
        """The planner looks at this: compare with it from now on."""
        self._known = self._cells(observation)
        self._hits, self._is_armed = 0, True

    def look(self, observation: Observation) -> str:
        """In what way the scene is another; empty if it is not, or was told already."""
        now = self._cells(observation)
        changes = {
            name: float(np.max(np.abs(cells - self._known[name])))
            for name, cells in now.items()
            if name in self._known
        }
        largest = max(changes.values(), default=0.0)
        if largest <= self._config.rest_level:
            self._is_armed = True
        self._hits = self._hits + 1 if largest >= self._config.level else 0
        if not self._is_armed or self._hits < self._config.looks:
            return ""
        self._is_armed = False
        camera = max(changes, key=lambda name: changes[name])
        return f"{camera} changed by {largest:.2f} of full brightness since the last look"

    def _cells(self, observation: Observation) -> dict[str, FloatArray]:
        images = observation.images
        return {name: _coarse(images[name]) for name in self._config.cameras if name in images}


def _coarse(image: ImageArray) -> FloatArray:
    """Mean brightness of 8 × 8 cells, 0 to 1; a smaller picture has fewer cells."""
    height, width = image.shape[:2]
    rows, columns = min(_CELLS, height), min(_CELLS, width)
    trimmed = image[: height - height % rows, : width - width % columns].astype(np.float32)
    cells = trimmed.reshape(rows, height // rows, columns, width // columns, -1)
    return cells.mean(axis=(1, 3, 4)) / np.float32(255.0)
