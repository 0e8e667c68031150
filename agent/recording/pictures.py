"""How a picture is put into a trace, and how it comes back: PNG while it is small, else JPEG."""

import io

import numpy as np
from PIL import Image

from bridge.arrays import ImageArray

# Of PNG. Measured on the scene's 96 px pictures: no larger than with level 6, in half the time.
_PNG_LEVEL = 3
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def encode_picture(
    image: ImageArray, *, lossless_up_to_px: int, jpeg_quality: int
) -> tuple[bytes, str] | None:
    """Encode a picture.

    Args:
        image: uint8 [height, width, channels].
        lossless_up_to_px: How high it may be to be kept as it is [px]; a higher one becomes JPEG.
        jpeg_quality: From 1 to 95.

    Returns:
        The file's bytes, and "png" or "jpeg"; None for one that is no picture to either: of none
        of 1, 3 or 4 channels, or without pixels.
    """
    height, _, channels = image.shape
    if channels not in _MODES or not image.size:
        return None
    pixels = Image.fromarray(image[..., 0] if channels == 1 else image, mode=_MODES[channels])
    stream = io.BytesIO()
    if height <= lossless_up_to_px or channels == 4:  # noqa: PLR2004  # JPEG knows no opacity.
        pixels.save(stream, format="PNG", compress_level=_PNG_LEVEL)
        return stream.getvalue(), "png"
    pixels.save(stream, format="JPEG", quality=jpeg_quality)
    return stream.getvalue(), "jpeg"


def decode_picture(data: bytes) -> ImageArray:
    """The pixels of an encoded picture, uint8 [height, width, channels]; read-only.

    Raises:
        ValueError: These are not the bytes of a picture.
    """
    try:
        image = np.asarray(Image.open(io.BytesIO(data)))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{len(data)} bytes are no picture: {error}") from error
    return image[..., None] if image.ndim == 2 else image  # noqa: PLR2004  # Grey.
