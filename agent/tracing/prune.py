"""Removes recorded runs that a person does not want any more: the oldest, as many as it takes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.recording.folder import INDEX_SUFFIX
from agent.recording.reading import TRACE_FILES
from agent.tracing.runs import run_folders

_BYTES_PER_MB = 1_000_000
# A trace that was written to so shortly ago may belong to a run that goes on [s].
_MAY_GO_ON_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Unwanted:
    """A run to remove: its traces and their indexes, and how large they are together."""

    folder: Path
    files: tuple[Path, ...]
    size_bytes: int


def unwanted_runs(
    root: Path,
    *,
    keep_runs: int | None = None,
    max_megabytes: float | None = None,
    older_than_days: float | None = None,
    now: dt.datetime,
) -> list[Unwanted]:
    """Which runs are beyond any of the limits that are given, the oldest first.

    Args:
        root: The folder of the runs' folders.
        keep_runs: How many may stay.
        max_megabytes: How large all that stay may be together [MB].
        older_than_days: Runs last written to before that go [days].
        now: The time of day.

    Returns:
        What to remove. Never a run that may go on: one written to in the last ten seconds.
    """
    runs = [_run(folder) for folder in run_folders(root)]
    gone = [_is_beyond(runs, place, keep_runs, max_megabytes) for place in range(len(runs))]
    return [
        run
        for run, is_beyond in zip(runs, gone, strict=True)
        if not _age_s(run, now) < _MAY_GO_ON_S
        and (is_beyond or (older_than_days is not None and _is_old(run, now, older_than_days)))
    ]


def remove(run: Unwanted) -> None:
    """Remove a run's traces and indexes; other files, such as films, keep its folder.

    Raises:
        OSError: Something cannot be removed.
    """
    for file in run.files:
        file.unlink(missing_ok=True)
    if not any(run.folder.iterdir()):
        run.folder.rmdir()


def _run(folder: Path) -> Unwanted:
    traces = sorted(folder.glob(TRACE_FILES))
    indexes = [file.with_suffix(INDEX_SUFFIX) for file in traces]
    files = (*traces, *(file for file in indexes if file.exists()))
    return Unwanted(folder=folder, files=files, size_bytes=sum(f.stat().st_size for f in files))


def _is_beyond(
    runs: Sequence[Unwanted], place: int, keep_runs: int | None, max_megabytes: float | None
) -> bool:
    """Whether this one and all that are newer are more than may stay."""
    newer = runs[place:]
    if keep_runs is not None and len(newer) > keep_runs:
        return True
    size_bytes = sum(run.size_bytes for run in newer)
    return max_megabytes is not None and size_bytes > max_megabytes * _BYTES_PER_MB


def _is_old(run: Unwanted, now: dt.datetime, days: float) -> bool:
    return _age_s(run, now) > dt.timedelta(days=days).total_seconds()


def _age_s(run: Unwanted, now: dt.datetime) -> float:
    """Since it was last written to [s]."""
    written = max(file.stat().st_mtime for file in run.files if file.suffix != INDEX_SUFFIX)
    return now.timestamp() - written
