"""How alike two latents are: what merging and the score of an event go by."""

import numpy as np
import numpy.typing as npt

from bridge.arrays import FloatArray


def likeness(first: FloatArray, second: FloatArray) -> float:
    """Mean over the tokens [N, D] of their cosine, in [-1, 1]; a token of zeros is like nothing.

    Rounded to float32, so that pairs of equal latents tie exactly and the oldest pair is taken.

    Source: MemoryVLA (arXiv 2508.19236), the similarity that its consolidation compares.
    """
    one, other = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    dots: npt.NDArray[np.float64] = np.einsum("nd,nd->n", one, other)
    cosines = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return float(np.float32(cosines.mean()))
