"""Filters: the bounds of each dimension, and the box in space that the tool may not leave."""

import numpy as np
import numpy.typing as npt

from bridge.arrays import FloatArray, frozen_array
from bridge.specs import ActionSpec

Numbers = npt.NDArray[np.float64]


class Bounds:
    """Moves each number into [low, high], inclusive, [action unit]."""

    def __init__(self, low: Numbers, high: Numbers) -> None:
        self.low = low
        self.high = high

    def clip(self, wanted: Numbers) -> Numbers:
        """The nearest action inside; the same array when it already is."""
        bounded = np.minimum(np.maximum(wanted, self.low), self.high)
        return wanted if (bounded == wanted).all() else bounded


def dimension_bounds(spec: ActionSpec) -> Bounds:
    """The bounds that the spec gives each dimension."""
    return Bounds(np.array(spec.low, np.float64), np.array(spec.high, np.float64))


def workspace_bounds(spec: ActionSpec) -> Bounds | None:
    """The box as bounds of the dimensions that are places, the others free; None without a box.

    Without effect on "delta" actions, which say no place: declare such a box away, with the reason.
    """
    if spec.workspace is None or spec.mode == "delta":
        return None
    low, high = np.full(spec.width, -np.inf), np.full(spec.width, np.inf)
    for name, least, most in zip(
        spec.workspace.names, spec.workspace.low, spec.workspace.high, strict=True
    ):
        index = spec.names.index(name)
        low[index], high[index] = least, most
    return Bounds(low, high)


def round_inward(bounds: Numbers, inward: float) -> FloatArray:
    """Bounds as float32, none of them outside the exact ones; `inward` is +inf for lower ones."""
    rounded = bounds.astype(np.float32)
    is_outside = rounded < bounds if inward > 0 else rounded > bounds
    return frozen_array(np.where(is_outside, np.nextafter(rounded, np.float32(inward)), rounded))
