"""Range, mean and spread of a feature, an episode at a time, and of all episodes together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from agent.demos.dataset import decode_image
from bridge import AnyArray


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Statistics over `count` frames; arrays as wide as the feature, pictures [3, 1, 1] in 0-1."""

    min: AnyArray
    max: AnyArray
    mean: AnyArray
    std: AnyArray
    count: int

    def as_lists(self) -> dict[str, Any]:
        """The statistics as LeRobot writes them: lists, the count a list of one."""
        return {
            "min": self.min.tolist(),
            "max": self.max.tolist(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "count": [self.count],
        }

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self:
        """Statistics of all parts together, as if their frames had been one list."""
        counts = np.array([part.count for part in parts], np.float64)
        share = (counts / counts.sum()).reshape(-1, *[1] * parts[0].mean.ndim)
        means = np.stack([part.mean for part in parts])
        mean = (share * means).sum(axis=0)
        # Spread within the parts plus spread of their means.
        variance = np.stack([part.std**2 for part in parts]) + (means - mean) ** 2
        return cls(
            np.min([part.min for part in parts], axis=0),
            np.max([part.max for part in parts], axis=0),
            mean,
            np.sqrt((share * variance).sum(axis=0)),
            int(counts.sum()),
        )


def summarize_numbers(values: AnyArray) -> FeatureStatistics:
    """Statistics of a feature [T] or [T, D], T ≥ 1."""
    table = values.reshape(values.shape[0], -1)
    return FeatureStatistics(
        table.min(axis=0), table.max(axis=0), table.mean(axis=0), table.std(axis=0), len(table)
    )


def summarize_pictures(encoded: Sequence[bytes]) -> FeatureStatistics:
    """Statistics per colour channel of encoded pictures, at least one; values in 0-1."""
    pictures = [decode_image(cell) / 255.0 for cell in encoded]
    channels = np.stack(pictures).reshape(-1, 3)
    return FeatureStatistics(
        channels.min(axis=0).reshape(3, 1, 1),
        channels.max(axis=0).reshape(3, 1, 1),
        channels.mean(axis=0).reshape(3, 1, 1),
        channels.std(axis=0).reshape(3, 1, 1),
        len(encoded),
    )
