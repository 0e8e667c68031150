import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ContractError
from fast_brain.stitchers.prefix_mask import MaskKind, check_mask, prefix_mask

KINDS: tuple[MaskKind, ...] = ("linear", "exp", "ones", "zeros")


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("linear", [1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0]),
        ("exp", [1, 1, 0.5706, 0.2871, 0.1145, 0.0258, 0, 0, 0, 0]),
        ("ones", [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]),
        ("zeros", [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_masks_are_the_published_vectors(kind: MaskKind, weights: list[float]) -> None:
    """Start 2, end 6, total 10 gives the published weights, for each of the four kinds."""
    np.testing.assert_allclose(prefix_mask(2, 6, 10, kind), weights, atol=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_delay_beyond_the_overlap_counts_as_the_overlap(kind: MaskKind) -> None:
    """With `start` above `end` every row that has a predecessor weighs 1, and no other."""
    np.testing.assert_array_equal(prefix_mask(9, 4, 8, kind), [1, 1, 1, 1, 0, 0, 0, 0])


def test_an_unknown_kind_is_refused() -> None:
    """The error says which kinds there are."""
    with pytest.raises(ContractError, match=r"exp.*linear.*ones.*zeros"):
        check_mask("cosine")  # pyright: ignore[reportArgumentType]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.sampled_from(KINDS))
def test_weights_never_rise_and_stay_between_one_and_zero(
    start: int, end: int, total: int, kind: MaskKind
) -> None:
    """For any delay and overlap: 1 while taken, 0 without a predecessor, falling between."""
    mask = prefix_mask(start, end, total, kind)
    taken = min(start, end, total)
    assert mask.shape == (total,)
    np.testing.assert_allclose(mask[:taken], 1.0, rtol=1e-6)
    assert not mask[min(end, total) :].any()
    assert (np.diff(mask) <= 1e-6).all()
