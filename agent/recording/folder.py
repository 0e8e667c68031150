"""Where traces lie, and how many: a folder for each run, the oldest go when there are too many."""

import datetime as dt
from pathlib import Path

from agent.recording.config import RecordingConfig
from agent.recording.reading import TRACE_FILES

_BYTES_PER_MEGABYTE = 1_000_000
# Of the index beside a trace, by which it is looked at fast.
INDEX_SUFFIX = ".index"


def new_run_folder(root: Path) -> Path:
    """Make a folder of its own for a run, named after the moment.

    Raises:
        FileExistsError: A thousand runs have begun in this second.
        OSError: The folder cannot be made.
    """
    stem = dt.datetime.now(tz=dt.UTC).strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        folder = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root} holds a thousand runs of this second")


def prune_traces(
    root: Path, settings: RecordingConfig, keep: Path, now: dt.datetime | None = None
) -> list[Path]:
    """Remove traces older than `keep_days`, and the oldest beyond the other two limits.

    Only files of traces go, and folders that they leave empty; films and results stay.

    Args:
        root: The folder of the runs' folders.
        settings: How much may stay.
        keep: The file being written now, which is never removed.
        now: The time of day; asked for if None.

    Returns:
        What was removed, the oldest first.
    """
    # Named after their moment, so names are in order of time, also when the clock was set since.
    files = sorted(root.glob(f"*/{TRACE_FILES}"))
    runs = sorted({file.parent for file in files} - {keep.parent})
    too_many = max(0, len(runs) + 1 - settings.keep_runs)
    oldest = (now or dt.datetime.now(tz=dt.UTC)) - dt.timedelta(days=settings.keep_days)
    outdated = [
        file
        for file in files
        if file.parent in runs[:too_many] or (file != keep and _is_before(file, oldest))
    ]
    left = [file for file in files if file not in outdated]
    # The run under way goes last, whatever its folder is called.
    left.sort(key=lambda file: (file.parent == keep.parent, file))
    size = sum(_size_of(file) for file in left)
    limit = settings.max_megabytes * _BYTES_PER_MEGABYTE
    for file in left:
        if size <= limit or file == keep:
            break
        size -= _size_of(file)
        outdated.append(file)
    return [file for file in outdated if _removed(file)]


def _is_before(file: Path, moment: dt.datetime) -> bool:
    """Whether it was last written to before a moment; one that is gone was not."""
    try:
        return file.stat().st_mtime < moment.timestamp()
    except OSError:
        return False


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _removed(file: Path) -> bool:
    try:
        file.unlink()
        # Made by whoever looked at the trace.
        file.with_suffix(INDEX_SUFFIX).unlink(missing_ok=True)
        file.parent.rmdir()
    except FileNotFoundError:
        # Another run prunes at the same time.
        return False
    except OSError:
        # The folder still holds something else, such as a film.
        return not file.exists()
    return True
