"""Settings of recording."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class RecordingConfig(BaseModel):
    """Whether a served run is recorded, where, and how much of it is kept.

    Each run has its own folder in `folder`, named after the moment it began. Of the traces of all
    runs together at most `max_megabytes` [MB] are kept, of at most `keep_runs` runs: the oldest go
    first, and of a run that is longer than that its beginning. `agent eval` is never recorded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    folder: Path = Path("runs")
    max_megabytes: int = Field(default=500, ge=8)
    keep_runs: int = Field(default=50, ge=1)
