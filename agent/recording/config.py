"""Settings of recording."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RecordingConfig(BaseModel):
    """Whether a served run is recorded, what of it, where, and how much is kept.

    Each run has its own folder in `folder`, named after the moment it began. Of the traces of all
    runs together at most `max_megabytes` [MB] are kept, of at most `keep_runs` runs, none older
    than `keep_days`: the oldest go first, and of a run that is longer than that its beginning.
    `agent eval` is never recorded.

    What the robot sensed is written `observation_rate_hz` times a second, at most as often as it
    senses; 0 leaves it out. A picture up to `lossless_up_to_px` [px] high is kept as it is, a
    higher one as JPEG of `jpeg_quality`. `latents` "full" keeps every number of the latents
    besides what sums them up. What `redact` names is never written: see docs/traces.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    folder: Path = Path("runs")
    max_megabytes: int = Field(default=2000, ge=8)
    keep_runs: int = Field(default=50, ge=1)
    keep_days: float = Field(default=30.0, gt=0)
    observation_rate_hz: float = Field(default=10.0, ge=0, le=100)
    lossless_up_to_px: int = Field(default=128, ge=0)
    jpeg_quality: int = Field(default=90, ge=1, le=95)
    latents: Literal["summary", "full"] = "summary"
    redact: tuple[str, ...] = ()
