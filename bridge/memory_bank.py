"""The memory bank: what the policy remembers of the planner's latents within an episode.

Fixed capacity, ordered by seconds of the episode. When it is full, the two neighbours that are
most alike become one, so that long stretches of sameness shrink and changes stay.

Source: MemoryVLA (arXiv 2508.19236). Unlike there, both streams merge the same pair, because one
time stands for both; and the newest latent is never merged, because the policy takes it for now.
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.clock import seconds_between
from bridge.codec import decode, encode
from bridge.errors import ConfigError, ContractError
from bridge.messages import Latent, MemoryView
from bridge.specs import LatentSpec, check_finite

Consolidation = Literal["merge", "fifo"]
_SNAPSHOT_VERSION = 1


class BankSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """The state of a bank as it is stored; arrays in order of time."""

    version: int
    spec: LatentSpec
    episode_id: str
    start_ns: int | None
    newest_stamp_ns: int
    latent_sequence: int
    subtask_id: str
    subtask_text: str
    time_s: AnyArray
    perceptual: FloatArray
    cognitive: FloatArray


class MemoryBank:
    """Latents of one episode in preallocated numpy; meets the `Memory` protocol.

    Args:
        latent: Shape of the latents; others are refused.
        capacity: How many are kept. 16 as in MemoryVLA.
        consolidation: When full, "merge" averages the most similar neighbours, "fifo" drops the
            oldest.
    """

    def __init__(
        self, *, latent: LatentSpec, capacity: int = 16, consolidation: Consolidation = "merge"
    ) -> None:
        if capacity < 1:
            raise ConfigError(f"A memory bank holds at least 1 latent, not {capacity}.")
        if consolidation not in ("merge", "fifo"):
            raise ConfigError(f"Consolidation is 'merge' or 'fifo', not {consolidation!r}.")
        self._spec = latent
        self._capacity = capacity
        self._consolidation = consolidation
        tokens = latent.perceptual_tokens + latent.cognitive_tokens
        # One row per latent, both streams one after the other; `_order` holds rows by time.
        self._tokens = np.zeros((capacity, tokens, latent.width), np.float32)
        self._time_s = np.zeros(capacity, np.float64)
        self._clear("", None)

    def reset(self, *, episode_id: str, start_ns: int) -> None:
        """Forget everything; seconds of the episode count from `start_ns`."""
        self._clear(episode_id, start_ns)

    def write(self, latent: Latent) -> None:
        """Remember one latent; without a `reset` before it, the first one begins the episode.

        Raises:
            ContractError: Wrong shape, not finite, older than the newest or than the episode, or
                of another episode. The bank is then unchanged.
        """
        self._spec.validate(latent)
        self._check_order(latent)
        if self._start_ns is None:
            self._start_ns, self._episode_id = latent.observation_stamp_ns, latent.episode_id
        if len(self._order) == self._capacity:
            self._consolidate()
        time_s = seconds_between(self._start_ns, latent.observation_stamp_ns)
        self._append(np.concatenate([latent.perceptual, latent.cognitive]), time_s)
        self._newest_stamp_ns = latent.observation_stamp_ns
        self._latent_sequence = latent.sequence
        self._subtask = (latent.subtask_id, latent.subtask_text)
        self._view = None

    def read(self, now_ns: int) -> MemoryView:
        """What is remembered; the arrays are copied once per write and shared between reads."""
        if self._view is None:
            self._view = self._copy_out()
        perceptual, cognitive, time_s = self._view
        return MemoryView(
            perceptual=perceptual,
            cognitive=cognitive,
            time_s=time_s,
            newest_age_s=(
                seconds_between(self._newest_stamp_ns, now_ns) if self._order else float("inf")
            ),
            latent_sequence=self._latent_sequence,
            subtask_id=self._subtask[0],
            subtask_text=self._subtask[1],
            now_s=0.0 if self._start_ns is None else seconds_between(self._start_ns, now_ns),
        )

    def snapshot(self) -> bytes:
        """The whole state as versioned msgpack."""
        perceptual, cognitive, _ = self._view or self._copy_out()
        return encode(
            BankSnapshot(
                version=_SNAPSHOT_VERSION,
                spec=self._spec,
                episode_id=self._episode_id,
                start_ns=self._start_ns,
                newest_stamp_ns=self._newest_stamp_ns,
                latent_sequence=self._latent_sequence,
                subtask_id=self._subtask[0],
                subtask_text=self._subtask[1],
                time_s=self._time_s[self._order],
                perceptual=perceptual,
                cognitive=cognitive,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot of a bank with the same latents and at most this capacity.

        Raises:
            TransportError: The bytes are not msgpack.
            ContractError: Not a snapshot, or one that does not fit. The bank is then unchanged.
        """
        saved = decode(snapshot, BankSnapshot)
        self._check_snapshot(saved)
        self._clear(saved.episode_id, saved.start_ns)
        for perceptual, cognitive, time_s in zip(
            saved.perceptual, saved.cognitive, saved.time_s, strict=True
        ):
            self._append(np.concatenate([perceptual, cognitive]), float(time_s))
        self._newest_stamp_ns = saved.newest_stamp_ns
        self._latent_sequence = saved.latent_sequence
        self._subtask = (saved.subtask_id, saved.subtask_text)

    def _clear(self, episode_id: str, start_ns: int | None) -> None:
        self._episode_id = episode_id
        self._start_ns = start_ns
        self._order: list[int] = []
        # Entry i is how alike the i-th and the next latent are.
        self._likeness: list[float] = []
        self._newest_stamp_ns = 0
        self._latent_sequence = -1
        self._subtask = ("", "")
        self._view: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def _append(self, tokens: FloatArray, time_s: float) -> None:
        row = next(row for row in range(self._capacity) if row not in self._order)
        self._tokens[row], self._time_s[row] = tokens, time_s
        if self._order:
            self._likeness.append(self._alike(self._order[-1], row))
        self._order.append(row)

    def _consolidate(self) -> None:
        """Make room for one latent."""
        if self._consolidation == "fifo" or self._capacity == 1:
            del self._order[0]
            del self._likeness[:1]
            return
        # Ties go to the oldest pair, as in the reference.
        pair = int(np.argmax(self._likeness))
        kept, dropped = self._order[pair], self._order[pair + 1]
        # Halved before adding, so that two large finite values stay finite.
        self._tokens[kept] = self._tokens[kept] / 2 + self._tokens[dropped] / 2
        self._time_s[kept] = (self._time_s[kept] + self._time_s[dropped]) / 2
        del self._order[pair + 1]
        del self._likeness[pair]
        for index in (pair - 1, pair):
            if 0 <= index < len(self._likeness):
                self._likeness[index] = self._alike(self._order[index], self._order[index + 1])

    def _alike(self, row: int, other: int) -> float:
        """Mean over the tokens of their cosine similarity; a zero token is like nothing."""
        first = self._tokens[row].astype(np.float64)
        second = self._tokens[other].astype(np.float64)
        norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        dots: npt.NDArray[np.float64] = np.einsum("td,td->t", first, second)
        return float(np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0).mean())

    def _copy_out(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        tokens = self._tokens[self._order]
        split = self._spec.perceptual_tokens
        return (
            frozen_array(tokens[:, :split]),
            frozen_array(tokens[:, split:]),
            frozen_array(self._time_s[self._order], np.float32),
        )

    def _check_order(self, latent: Latent) -> None:
        stamp_ns = latent.observation_stamp_ns
        if self._start_ns is None:
            return
        if latent.episode_id != self._episode_id:
            raise ContractError(
                leaf="latent.episode_id",
                expected=f"{self._episode_id!r}, the episode under way",
                got=repr(latent.episode_id),
            )
        oldest_ns = self._newest_stamp_ns if self._order else self._start_ns
        if stamp_ns < oldest_ns:
            raise ContractError(
                leaf="latent.observation_stamp_ns",
                expected=f"≥ {oldest_ns} ns, the newest so far",
                got=f"{stamp_ns} ns, {seconds_between(stamp_ns, oldest_ns):.3f} s earlier",
            )

    def _check_snapshot(self, saved: BankSnapshot) -> None:
        if saved.version != _SNAPSHOT_VERSION or saved.spec != self._spec:
            raise ContractError(
                leaf="snapshot",
                expected=f"version {_SNAPSHOT_VERSION} of {self._spec}",
                got=f"version {saved.version} of {saved.spec}",
            )
        count = saved.time_s.shape[0] if saved.time_s.ndim == 1 else -1
        if not 0 <= count <= self._capacity or (count and saved.start_ns is None):
            raise ContractError(
                leaf="snapshot.time_s", expected=f"at most {self._capacity} times", got=count
            )
        for stream, tokens in self._spec.streams().items():
            array: FloatArray = getattr(saved, stream)
            if array.shape != (count, tokens, self._spec.width):
                raise ContractError(
                    leaf=f"snapshot.{stream}",
                    expected=[count, tokens, self._spec.width],
                    got=list(array.shape),
                )
            check_finite(f"snapshot.{stream}", array)
        check_finite("snapshot.time_s", saved.time_s)
        if np.any(np.diff(saved.time_s) < 0):
            raise ContractError(leaf="snapshot.time_s", expected="growing times", got=saved.time_s)
