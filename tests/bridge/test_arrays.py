import hashlib

import numpy as np
import pytest

from bridge.arrays import frozen_array, picture_hash


def test_a_writable_array_is_copied() -> None:
    """Whoever made the array may go on writing to it; the frozen one does not change."""
    mine = np.zeros(3, np.float32)
    frozen = frozen_array(mine)
    mine[0] = 7.0
    assert frozen[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        frozen[0] = 1.0


def test_a_read_only_array_is_handed_over_as_it_is() -> None:
    """Freezing twice costs nothing."""
    frozen = frozen_array(np.zeros(3))
    assert frozen_array(frozen) is frozen


def test_layout_and_dtype_are_as_asked_for() -> None:
    """A transposed float64 array becomes contiguous float32 with the same values."""
    source = np.arange(6.0).reshape(2, 3).T
    frozen = frozen_array(source, np.float32)
    assert frozen.dtype == np.float32
    assert frozen.flags.c_contiguous
    np.testing.assert_array_equal(frozen, source)


def test_a_value_beyond_float32_becomes_infinite_without_a_warning() -> None:
    """The spec, which knows the leaf's name, is who refuses it."""
    assert np.isinf(frozen_array([1e300], np.float32)[0])


def test_a_picture_is_called_by_the_start_of_the_hash_of_its_bytes() -> None:
    """The name is that of the bytes alone, however the array lies in memory."""
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    expected = hashlib.sha256(picture.tobytes()).hexdigest()[:16]
    assert picture_hash(picture) == expected
    assert picture_hash(np.asfortranarray(picture)) == expected
    assert picture_hash(picture + np.uint8(1)) != expected
