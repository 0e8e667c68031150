"""Where a memory keeps its rows and its table: in this process, or in shared memory for others.

In shared memory the rows are one segment and the table is a latest-value mailbox. The writer fills
free rows, then publishes the table; a reader takes the table, reads the rows in place, and asks
whether they were still what the table said. Nobody waits, nothing is copied to be published, and a
reader can be caught out only by `GRACE_WRITES` writes during one read, which it notices.
"""

import mmap
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import TransportError
from bridge.memories.contents import (
    Contents,
    Copied,
    Streams,
    copy_streams,
    empty_contents,
    stream_shapes,
    streams_of,
    view_of,
)
from bridge.memories.rows import GRACE_WRITES
from bridge.messages import MemoryView
from bridge.specs import LatentSpec
from bridge.transports.segments import create_segment, map_segment
from bridge.transports.shared_memory import SharedLatestValue

_MAGIC, _LAYOUT, _WORD = 0x4D454D4F5259, 1, 8  # "MEMORY"
# Magic, layout, rows, perceptual tokens, cognitive tokens, width; the rest is for alignment.
_HEADER_WORDS = 8
# Ids and words of the newest latent, beside the arrays of the table [bytes].
_TABLE_WORDS_BYTES = 4096
# A row number, an id and a time, of two streams [bytes].
_TABLE_ENTRY_BYTES = 2 * 3 * 8
_TRIES = 4


class RowStore(Protocol):
    """Rows for both streams, and where the table of them is made known."""

    perceptual: FloatArray
    cognitive: FloatArray

    def publish(self, contents: Contents) -> None:
        """Make a change known, after its rows were filled."""
        ...

    def close(self) -> None:
        """Let go of the memory."""
        ...


class PrivateStore:
    """Rows of this process, for nobody else."""

    def __init__(self, spec: LatentSpec, rows: int) -> None:
        self.perceptual, self.cognitive = (
            np.zeros((rows, *shape), np.float32) for shape in stream_shapes(spec)
        )

    def publish(self, contents: Contents) -> None:
        """Nobody else reads it."""

    def close(self) -> None:
        """Nothing to let go of."""


class SharedAddress(NamedTuple):
    """Where a memory is found by other processes of this machine."""

    rows: str
    table: str


class SharedStore:
    """Rows that other processes read in place; its maker is the one writer, and unlinks it."""

    def __init__(self, spec: LatentSpec, rows: int, *, name: str, run_id: str) -> None:
        """Make it.

        Raises:
            ConfigError: The name or the run id is not letters, digits and underscores.
            TransportError: It exists already, or there is not enough memory.
        """
        floats = rows * (spec.perceptual_tokens + spec.cognitive_tokens) * spec.width
        size = _HEADER_WORDS * _WORD + floats * np.dtype(np.float32).itemsize
        self._path = create_segment(f"{name}_rows", run_id, size)
        self._memory = map_segment(self._path)
        words = np.frombuffer(self._memory, np.uint64, _HEADER_WORDS)
        words[1:6] = _LAYOUT, rows, spec.perceptual_tokens, spec.cognitive_tokens, spec.width
        words[0] = _MAGIC
        self.perceptual, self.cognitive = _look_at(self._memory, self._path, spec)
        self._table = SharedLatestValue.create(
            f"{name}_table",
            Contents,
            run_id=run_id,
            capacity_bytes=_TABLE_WORDS_BYTES + rows * _TABLE_ENTRY_BYTES,
        )

    @property
    def address(self) -> SharedAddress:
        """What a `SharedMemoryReader` attaches to."""
        return SharedAddress(str(self._path), self._table.address)

    def publish(self, contents: Contents) -> None:
        """Make a change known.

        Raises:
            TransportError: The words of the newest latent do not fit, or it is closed.
        """
        self._table.publish(contents)

    def close(self) -> None:
        """Take the names away; who is attached may read on. Callable any number of times."""
        self._table.close()
        self._table.unlink()
        self._path.unlink(missing_ok=True)


class SharedMemoryReader:
    """Another process's memory, read in place.

    Raises:
        TransportError: There is none of these latents at the address.
    """

    def __init__(self, address: SharedAddress, spec: LatentSpec) -> None:
        path = Path(address.rows)
        perceptual, cognitive = _look_at(map_segment(path), path, spec)
        perceptual.flags.writeable = cognitive.flags.writeable = False
        self._rows = perceptual, cognitive
        self._table = SharedLatestValue(address.table, Contents)
        self._held: tuple[int, Contents, Copied] | None = None

    @property
    def version(self) -> int:
        """How many changes there were so far."""
        return self._table.version

    def streams(self) -> tuple[Contents, Streams]:
        """What is remembered, in place: check with `is_intact` after having read."""
        contents = self._table.read() or empty_contents(0)
        return contents, streams_of(contents, *self._rows)

    def is_intact(self, contents: Contents) -> bool:
        """Whether every row was, until now, what this table says."""
        return self._table.version <= contents.version + GRACE_WRITES

    def read(self, now_ns: int) -> MemoryView:
        """What is remembered, copied out once a change.

        Raises:
            TransportError: The writer was faster, `GRACE_WRITES` writes each time it was tried.
        """
        held = self._held
        if held is None or held[0] != self._table.version:
            held = self._held = self._copy()
        return view_of(held[1], held[2], now_ns)

    def close(self) -> None:
        """Let go of the table; the rows go with the last array that looks at them."""
        self._table.close()

    def _copy(self) -> tuple[int, Contents, Copied]:
        for _ in range(_TRIES):
            contents, streams = self.streams()
            copied = copy_streams(streams)
            if self.is_intact(contents):
                return contents.version, contents, copied
        raise TransportError(
            f"The memory changed more than {GRACE_WRITES} times during each of {_TRIES} reads; "
            "write latents more slowly than they are read."
        )


def _look_at(memory: mmap.mmap, path: Path, spec: LatentSpec) -> tuple[FloatArray, FloatArray]:
    """Both streams' rows as arrays over a segment, after its header was checked."""
    words = np.frombuffer(memory, np.uint64, min(_HEADER_WORDS, len(memory) // _WORD)).tolist()
    wanted = [spec.perceptual_tokens, spec.cognitive_tokens, spec.width]
    if len(words) < _HEADER_WORDS or words[:2] != [_MAGIC, _LAYOUT] or words[3:6] != wanted:
        raise TransportError(
            f"{path} is not a memory of layout {_LAYOUT} for {wanted[0]} perceptual and "
            f"{wanted[1]} cognitive tokens of width {wanted[2]}: its header says {words[1:6]} "
            "(layout, rows, perceptual, cognitive, width)."
        )
    rows, start = int(words[2]), _HEADER_WORDS * _WORD
    arrays: list[FloatArray] = []
    for shape in stream_shapes(spec):
        count = rows * shape[0] * shape[1]
        flat = np.frombuffer(memory, np.float32, count, start)
        arrays.append(flat.reshape(rows, *shape))
        start += flat.nbytes
    return arrays[0], arrays[1]
