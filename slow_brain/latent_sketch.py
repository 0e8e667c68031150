"""What a trace keeps of a latent: how long its tokens are, and where they lie, in a few numbers."""

from functools import cache

import numpy as np

from bridge.arrays import FloatArray
from bridge.messages import Latent
from bridge.trace import TraceFact

# How many numbers stand for the mean token of a stream.
DIMENSIONS = 8
_SEED = 20_250_101


def sketch(latent: Latent) -> dict[str, TraceFact]:
    """Facts about a latent: of each stream the tokens' mean norm, and where their mean lies.

    ``p = R x`` with the mean token ``x [D]`` and ``R [8, D]`` of independent normal numbers of
    variance 1/8, the same in every run: distances between latents stay about what they were, with
    latents of other runs as well, and nothing has to be fitted first.

    Source: Johnson and Lindenstrauss (1984), in the form with normal entries of Dasgupta and Gupta
    (2003); with 8 numbers a distance is off by about a quarter (1/√(2·8)).
    """
    facts: dict[str, TraceFact] = {}
    for name, tokens in (("perceptual", latent.perceptual), ("cognitive", latent.cognitive)):
        if not tokens.size:
            continue
        norms: FloatArray = np.linalg.norm(tokens, axis=-1)
        place = _projection(tokens.shape[-1]) @ tokens.mean(axis=0)
        facts[f"{name}_norm"] = float(norms.mean())
        facts[f"{name}_norm_max"] = float(norms.max())
        facts[f"{name}_place"] = [float(value) for value in place]
    return facts


@cache
def _projection(width: int) -> FloatArray:
    numbers = np.random.default_rng(_SEED).normal(size=(DIMENSIONS, width))
    return (numbers / np.sqrt(DIMENSIONS)).astype(np.float32)
