import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Latent
from slow_brain.latent_sketch import DIMENSIONS, sketch


def latent(cognitive: np.ndarray, perceptual: np.ndarray | None = None) -> Latent:
    """A latent of one stream, or both."""
    none = np.zeros((0, cognitive.shape[1]), np.float32)
    return Latent(
        perceptual=none if perceptual is None else perceptual,
        cognitive=cognitive,
        observation_stamp_ns=1,
        ready_stamp_ns=2,
        sequence=1,
    )


def test_a_sketch_tells_how_long_the_tokens_are() -> None:
    """Norms are those of the tokens, and a stream without tokens is not told of."""
    facts = sketch(latent(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)))
    assert facts["cognitive_norm"] == 2.5
    assert facts["cognitive_norm_max"] == 5.0
    assert not [name for name in facts if name.startswith("perceptual")]


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_what_is_alike_lies_together_and_what_is_not_apart(seed: int, scale: float) -> None:
    """The distance of two sketches tells that of their latents, within the error of 8 numbers."""
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(2, 4, 64)).astype(np.float32) * np.float32(scale)
    places = [np.array(sketch(latent(tokens))["cognitive_place"]) for tokens in (one, other)]
    assert places[0].shape == (DIMENSIONS,)
    apart = float(np.linalg.norm(one.mean(0) - other.mean(0)))
    # Chi with 8 degrees of freedom: beyond these once in ten million.
    assert 0.05 * apart < np.linalg.norm(places[0] - places[1]) < 3.0 * apart
    assert np.array_equal(places[0], np.array(sketch(latent(one))["cognitive_place"]))
