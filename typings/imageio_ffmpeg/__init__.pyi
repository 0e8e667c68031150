# The part of imageio-ffmpeg that Tandem uses; the wheel has no type information.
from collections.abc import Generator, Sequence
from typing import Any

def get_ffmpeg_exe() -> str: ...
def write_frames(
    path: str,
    size: tuple[int, int],
    *,
    fps: float = ...,
    quality: float | None = ...,
    codec: str = ...,
    macro_block_size: int = ...,
    ffmpeg_timeout: float = ...,
    output_params: Sequence[str] = ...,
) -> Generator[None, Any, None]: ...
