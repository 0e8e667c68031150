"""Residual heads for tests: of the right shapes, with weights drawn at random or all zero."""

from pathlib import Path

import numpy as np

from bridge.specs import ActionSpec
from fast_brain.stitchers.residual_head import PICTURE_PLACES, PLACE_WIDTH, save_head

WIDTH = 8


def write_head(
    folder: Path,
    action: ActionSpec,
    *,
    features: int = 0,
    state: int = 0,
    cameras: tuple[str, ...] = (),
    proprioception: tuple[str, ...] = (),
    base: str = "fake-0",
    size: float = 0.3,
    horizon: int = 10,
) -> Path:
    """Write a head; `size` 0 gives one that corrects nothing. Returns the folder."""
    random = np.random.default_rng(0)
    row = action.width + PLACE_WIDTH + state
    shapes = {
        "base_features": (features, WIDTH),
        "pictures": (len(cameras) * PICTURE_PLACES**2 * 3, WIDTH),
        "row": (row, WIDTH),
        "bias": (WIDTH,),
        "hidden": (WIDTH, WIDTH),
        "hidden_bias": (WIDTH,),
        "leave": (WIDTH, action.width),
        "leave_bias": (action.width,),
    }
    arrays = {name: random.normal(0, 1, shape) for name, shape in shapes.items()}
    arrays |= {
        "features_mean": np.zeros(features),
        "features_std": np.ones(features),
        "row_mean": np.zeros(row),
        "row_std": np.ones(row),
        "scale": np.full(action.width, size),
        "low": np.array(action.low),
        "high": np.array(action.high),
    }
    names = {
        "base_fingerprint": base,
        "cameras": ",".join(cameras),
        "proprioception": ",".join(proprioception),
        "horizon": str(horizon),
    }
    save_head(folder, arrays, names)
    return folder
