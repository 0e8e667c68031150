"""Named pieces of shared memory that a crash cannot leak.

A segment is a file in memory (/dev/shm) named after its run and its owner: `sweep_stale_segments`
removes those whose owner is dead. Files and `mmap`, not `multiprocessing.shared_memory`: that one
unlinks a segment as soon as any process that attached to it ends, and warns about the others.
"""

import mmap
import os
import re
import shutil
import tempfile
from pathlib import Path

from bridge.errors import ConfigError, TransportError

_PREFIX = "tandem"
_PART = re.compile(r"[A-Za-z0-9_]{1,64}")
_FILE = re.compile(rf"{_PREFIX}-(?P<run>\w+)-(?P<pid>\d+)-(?P<started>\d+)-(?P<name>\w+)(\.part)?")
_OWNER_ONLY = 0o600
# Of the first words of a segment [64-bit words].
MAGIC_AT, LAYOUT_AT, CAPACITY_AT = range(3)


def segment_folder() -> Path:
    """Where segments live: memory where the system has a folder for it, else the temporary one."""
    memory = Path("/dev/shm")  # noqa: S108  # Files there are made exclusively and owner-only.
    return memory if memory.is_dir() else Path(tempfile.gettempdir())


def create_segment(name: str, run_id: str, size: int, folder: Path | None = None) -> Path:
    """Make a segment of zeros owned by this process, and return its path.

    Memory is reserved at once: later, a full /dev/shm would kill the writer with a bus error.

    Args:
        name: Of the mailbox; letters, digits and underscores.
        run_id: Of the run; the same letters.
        size: Of the segment [bytes].
        folder: Another place than `segment_folder()`.

    Raises:
        ConfigError: The name or the run id has other characters.
        TransportError: It exists already, or there is not enough memory.
    """
    for part in (name, run_id):
        if not _PART.fullmatch(part):
            raise ConfigError(f"{part!r} cannot name a mailbox: use letters, digits, underscores.")
    home = folder or segment_folder()
    owner = os.getpid()
    path = home / f"{_PREFIX}-{run_id}-{owner}-{process_started(owner)}-{name}"
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY)
    except FileExistsError as error:
        raise TransportError(f"Mailbox {name!r} of run {run_id!r} exists already.") from error
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        path.unlink()
        free = shutil.disk_usage(home).free
        raise TransportError(
            f"No room for mailbox {name!r}: it takes {size} bytes, {home} has {free} free. "
            "Give the machine more shared memory (in a container: --shm-size)."
        ) from error
    finally:
        os.close(file)
    return path


def create_laid_out_segment(
    name: str, run_id: str, size: int, *, magic: int, layout: int, capacity: int
) -> Path:
    """Make a segment whose first 64-bit words say what it is: magic, layout version, capacity.

    Args:
        name: As for `create_segment`.
        run_id: As for `create_segment`.
        size: Of the segment, header included [bytes].
        magic: What kind of segment it is; written last, so that nobody attaches to half a header.
        layout: Version of the layout.
        capacity: What it has room for [bytes].

    Raises:
        ConfigError: As for `create_segment`.
        TransportError: As for `create_segment`.
    """
    path = create_segment(name, run_id, size)
    memory = map_segment(path)
    with memoryview(memory) as raw, raw.cast("Q") as words:
        words[LAYOUT_AT], words[CAPACITY_AT] = layout, capacity
        words[MAGIC_AT] = magic
    memory.close()
    return path


def map_segment(path: Path) -> mmap.mmap:
    """Map a segment into this process, for reading and writing.

    Raises:
        TransportError: There is none at the path, or it is empty.
    """
    try:
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), 0)
    except (OSError, ValueError) as error:
        raise TransportError(
            f"There is no mailbox at {path}: {error}. Its owner has not started or has ended."
        ) from error


def list_segments(run_id: str | None = None, folder: Path | None = None) -> tuple[Path, ...]:
    """The segments on this machine, or those of one run."""
    home = folder or segment_folder()
    found = ((path, _FILE.fullmatch(path.name)) for path in home.glob(f"{_PREFIX}-*"))
    return tuple(sorted(p for p, match in found if match and run_id in (None, match["run"])))


def sweep_stale_segments(folder: Path | None = None) -> tuple[Path, ...]:
    """Remove the segments whose owner is dead, and say which; call it when a run starts.

    Only names go: a process that is attached keeps its memory. An owner in another container that
    shares this folder looks dead from here.
    """
    stale = [path for path in list_segments(folder=folder) if not _owner_lives(path)]
    return tuple(path for path in stale if _removed(path))


def process_started(pid: int) -> int:
    """When a process started [clock ticks since boot]; 0 if it is dead or the system won't say.

    Together with the pid it names one process for good: pids are used again.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    # The second field is the program's name in brackets and may contain anything.
    return int(status.rpartition(")")[2].split()[19])


def _owner_lives(path: Path) -> bool:
    match = _FILE.fullmatch(path.name)
    if match is None:
        return True
    pid, started = int(match["pid"]), int(match["started"])
    if started:
        return process_started(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except (FileNotFoundError, PermissionError):
        # Swept by another run at the same time, or another user's.
        return False
    return True
