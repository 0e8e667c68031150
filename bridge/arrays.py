"""Array types of the messages, and how an array is made safe to share.

Everything that crosses a process border is read-only: Ray hands arrays over read-only, so do the
mailboxes, and so do messages inside one process, which keeps the fast path from hiding a bug.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]
AnyArray = npt.NDArray[Any]


def frozen_array(array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> AnyArray:
    """Return a read-only, C-contiguous array with these values.

    A writable array is copied, so that its owner may go on using it. One that is already
    read-only and of the wanted dtype is returned as it is: that is how to hand over without copy.

    Args:
        array: The values.
        dtype: Wanted element type; None keeps the one it has.
    """
    source = np.asarray(array)
    wanted = source.dtype if dtype is None else np.dtype(dtype)
    flags = source.flags
    if source.dtype == wanted and not flags.writeable and flags.c_contiguous:
        return source
    # A float64 beyond float32 becomes inf here; the spec then refuses it with the leaf's name.
    with np.errstate(over="ignore", invalid="ignore"):
        copy = np.array(source, dtype=wanted, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def picture_hash(image: ImageArray) -> str:
    """What a picture is called in traces: 16 hex digits of the SHA-256 of its raw bytes.

    Args:
        image: uint8 [height, width, channels].
    """
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]
