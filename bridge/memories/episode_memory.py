"""What every kind of memory shares: the books of an episode, the checks, and the snapshots.

A kind says in `_make_room` which of its earlier entries go before a new one comes, and in `_mark`
what it wants to know about the new one. The newest latent is always there, last and unchanged; it
is offered to the kind's rule when the next one comes.
"""

from typing import ClassVar

import msgspec
import numpy as np

from bridge.clock import seconds_between
from bridge.codec import decode, encode
from bridge.errors import ConfigError, ContractError
from bridge.memories.contents import (
    Contents,
    Copied,
    Streams,
    copy_streams,
    empty_contents,
    view_of,
)
from bridge.memories.rows import GRACE_WRITES, StreamRows, StreamState
from bridge.memories.stores import PrivateStore, RowStore, SharedAddress, SharedStore
from bridge.messages import Latent, MemoryView
from bridge.specs import LatentSpec, check_finite

SNAPSHOT_VERSION = 1
# The words of a latent go into a table of fixed size [bytes].
LONGEST_WORDS_BYTES = 3072


class EpisodeSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """The state of a memory as it is stored; `kind` names the rule, with its options."""

    version: int
    kind: str
    spec: LatentSpec
    episode_id: str
    start_ns: int | None
    newest_stamp_ns: int
    latent_sequence: int
    subtask_id: str
    subtask_text: str
    perceptual: StreamState
    cognitive: StreamState


class EpisodeMemory:
    """Latents of one episode in fixed rows; meets the `Memory` protocol. Subclasses are the kinds.

    Args:
        latent: Shape of the latents; others are refused.
        capacity: How many are kept beside the newest.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "memory"
    # Beside the newest.
    _least: ClassVar[int] = 1

    def __init__(
        self, *, latent: LatentSpec, capacity: int, shared_name: str = "", run_id: str = "memory"
    ) -> None:
        if capacity < self._least:
            raise ConfigError(f"A memory holds at least 1 latent, not {capacity}.")
        self._spec = latent
        self._capacity = capacity
        rows = StreamRows.count_for(capacity)
        self._store: RowStore = (
            SharedStore(latent, rows, name=shared_name, run_id=run_id)
            if shared_name
            else PrivateStore(latent, rows)
        )
        self._perceptual = StreamRows(self._store.perceptual)
        self._cognitive = StreamRows(self._store.cognitive)
        self._contents = empty_contents(0)
        self._copied: Copied | None = None

    @property
    def memory_bytes(self) -> int:
        """What the rows take, whatever has been written [bytes]."""
        return self._store.perceptual.nbytes + self._store.cognitive.nbytes

    @property
    def address(self) -> SharedAddress | None:
        """Where other processes find it; None if it is not shared."""
        return self._store.address if isinstance(self._store, SharedStore) else None

    def close(self) -> None:
        """Let go of shared memory, if there is any. Called once, at the end."""
        self._store.close()

    def reset(self, *, episode_id: str, start_ns: int) -> None:
        """Forget everything; seconds of the episode count from `start_ns`. Touches no tokens."""
        for stream in self._streams:
            stream.clear()
        self._tell(episode_id=episode_id, start_ns=start_ns)

    def write(self, latent: Latent) -> None:
        """Remember one latent; without a `reset` before it, the first one begins the episode.

        Raises:
            ContractError: Wrong shape, not finite, older than the newest or than the episode, or
                of another episode. The memory is then unchanged.
        """
        self._spec.validate(latent)
        check_order(latent, self._contents, is_empty=not len(self._perceptual))
        check_words(latent)
        start_ns, episode_id = self._contents.start_ns, self._contents.episode_id
        if start_ns is None:
            start_ns, episode_id = latent.observation_stamp_ns, latent.episode_id
        mark = self._mark(latent)
        self._make_room(latent)
        time_s = seconds_between(start_ns, latent.observation_stamp_ns)
        self._perceptual.append(latent.perceptual, time_s, mark)
        self._cognitive.append(latent.cognitive, time_s, mark)
        self._tell(
            episode_id=episode_id,
            start_ns=start_ns,
            newest_stamp_ns=latent.observation_stamp_ns,
            latent_sequence=latent.sequence,
            subtask_id=latent.subtask_id,
            subtask_text=latent.subtask_text,
        )

    def read(self, now_ns: int) -> MemoryView:
        """What is remembered; the arrays are copied once per write and shared between reads."""
        if self._copied is None:
            self._copied = copy_streams(self.streams())
        return view_of(self._contents, self._copied, now_ns)

    def keepers(self, now_ns: int) -> tuple[str, ...]:
        """The kind's own name for each entry: one rule keeps them all."""
        del now_ns
        return (self._name,) * len(self._contents.perceptual_time_s)

    def streams(self) -> Streams:
        """What is remembered, in place, for a reader that keeps what it made of each entry.

        The rows stay as they are for `bridge.memories.rows.GRACE_WRITES` further writes.
        """
        return Streams(self._perceptual.entries(), self._cognitive.entries())

    def snapshot(self) -> bytes:
        """The whole state as versioned msgpack."""
        contents = self._contents
        return encode(
            EpisodeSnapshot(
                version=SNAPSHOT_VERSION,
                kind=self._kind(),
                spec=self._spec,
                episode_id=contents.episode_id,
                start_ns=contents.start_ns,
                newest_stamp_ns=contents.newest_stamp_ns,
                latent_sequence=contents.latent_sequence,
                subtask_id=contents.subtask_id,
                subtask_text=contents.subtask_text,
                perceptual=self._perceptual.save(),
                cognitive=self._cognitive.save(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot of a memory of the same kind and latents.

        Raises:
            TransportError: The bytes are not msgpack.
            ContractError: Not a snapshot, or one that does not fit. The memory is then unchanged.
        """
        saved = decode(snapshot, EpisodeSnapshot)
        self._check_snapshot(saved)
        # Loading takes many rows at once. Whoever still reads by an older table has to notice.
        for _ in range(GRACE_WRITES + 1):
            self.reset(episode_id=saved.episode_id, start_ns=saved.start_ns or 0)
        self._perceptual.load(saved.perceptual)
        self._cognitive.load(saved.cognitive)
        self._tell(
            episode_id=saved.episode_id,
            start_ns=saved.start_ns,
            newest_stamp_ns=saved.newest_stamp_ns,
            latent_sequence=saved.latent_sequence,
            subtask_id=saved.subtask_id,
            subtask_text=saved.subtask_text,
        )

    @property
    def _streams(self) -> tuple[StreamRows, StreamRows]:
        return self._perceptual, self._cognitive

    def _kind(self) -> str:
        """The rule with its options, so that a snapshot is not restored under another."""
        return f"{self._name}({self._capacity})"

    def _mark(self, latent: Latent) -> float:
        """What the kind wants to keep beside this new latent."""
        del latent
        return 0.0

    def _make_room(self, incoming: Latent) -> None:
        """Let entries go until at most `capacity` are left; the last one is the newest so far."""
        raise NotImplementedError

    def _drop(self, place: int) -> None:
        for stream in self._streams:
            stream.drop(place)

    def _begins_subtask(self, latent: Latent) -> bool:
        """Whether this is the first latent of the episode or of its subtask."""
        return not len(self._perceptual) or latent.subtask_id != self._contents.subtask_id

    def _tell(
        self,
        *,
        episode_id: str,
        start_ns: int | None,
        newest_stamp_ns: int = 0,
        latent_sequence: int = -1,
        subtask_id: str = "",
        subtask_text: str = "",
    ) -> None:
        perceptual, cognitive = self.streams()
        self._contents = Contents(
            version=self._contents.version + 1,
            episode_id=episode_id,
            start_ns=start_ns,
            newest_stamp_ns=newest_stamp_ns,
            latent_sequence=latent_sequence,
            subtask_id=subtask_id,
            subtask_text=subtask_text,
            perceptual_rows=perceptual.row_of,
            perceptual_ids=perceptual.ids,
            perceptual_time_s=perceptual.time_s,
            cognitive_rows=cognitive.row_of,
            cognitive_ids=cognitive.ids,
            cognitive_time_s=cognitive.time_s,
        )
        self._copied = None
        self._store.publish(self._contents)

    def _check_snapshot(self, saved: EpisodeSnapshot) -> None:
        mine = (SNAPSHOT_VERSION, self._kind(), self._spec)
        theirs = (saved.version, saved.kind, saved.spec)
        if mine != theirs:
            raise ContractError(
                leaf="snapshot",
                expected="version {} of {} for {}".format(*mine),
                got="version {} of {} for {}".format(*theirs),
            )
        count = saved.perceptual.time_s.size
        if count and saved.start_ns is None:
            raise ContractError(leaf="snapshot.start_ns", expected="when it began", got=None)
        for stream, tokens in self._spec.streams().items():
            state: StreamState = getattr(saved, stream)
            wanted = (count, tokens, self._spec.width)
            _check_stream(f"snapshot.{stream}", state, wanted, self._capacity + 1)


def check_order(latent: Latent, contents: Contents, *, is_empty: bool) -> None:
    """Refuse a latent of another episode, or from before the newest one.

    Raises:
        ContractError: Says which episode, or how much earlier.
    """
    if contents.start_ns is None:
        return
    if latent.episode_id != contents.episode_id:
        raise ContractError(
            leaf="latent.episode_id",
            expected=f"{contents.episode_id!r}, the episode under way",
            got=repr(latent.episode_id),
        )
    stamp_ns = latent.observation_stamp_ns
    oldest_ns = contents.start_ns if is_empty else contents.newest_stamp_ns
    if stamp_ns < oldest_ns:
        raise ContractError(
            leaf="latent.observation_stamp_ns",
            expected=f"≥ {oldest_ns} ns, the newest so far",
            got=f"{stamp_ns} ns, {seconds_between(stamp_ns, oldest_ns):.3f} s earlier",
        )


def check_words(latent: Latent) -> None:
    """Refuse words that the table has no room for.

    Raises:
        ContractError: Says how long they are.
    """
    words = latent.subtask_text + latent.subtask_id + latent.episode_id
    size = len(words.encode())
    if size > LONGEST_WORDS_BYTES:
        raise ContractError(
            leaf="latent.subtask_text",
            expected=f"at most {LONGEST_WORDS_BYTES} bytes, with the ids",
            got=f"{size} bytes",
        )


def _check_stream(leaf: str, state: StreamState, shape: tuple[int, int, int], longest: int) -> None:
    count = shape[0]
    if count > longest:
        raise ContractError(leaf=f"{leaf}.time_s", expected=f"at most {longest}", got=count)
    wanted = {"time_s": (count,), "marks": (count,), "tokens": shape}
    for name, form in wanted.items():
        array = np.asarray(getattr(state, name))
        if array.shape != form or array.dtype.kind != "f":
            got = f"{array.dtype}{list(array.shape)}"
            raise ContractError(leaf=f"{leaf}.{name}", expected=f"float{list(form)}", got=got)
        check_finite(f"{leaf}.{name}", array)
    if np.any(np.diff(state.time_s) < 0):
        raise ContractError(leaf=f"{leaf}.time_s", expected="growing times", got=state.time_s)
