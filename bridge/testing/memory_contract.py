"""What every memory keeps."""

import numpy as np

from bridge.errors import ContractError, TandemError
from bridge.messages import Latent
from bridge.protocols import Memory
from bridge.specs import LatentSpec
from bridge.testing.checks import must_raise
from bridge.testing.examples import EXAMPLE_LATENT, SECOND_NS, example_latent


class MemoryContract:
    """For a `Memory`. Override `make`, and `latent_spec` if it is made for other latents."""

    latent_spec: LatentSpec = EXAMPLE_LATENT

    def make(self) -> Memory:
        """A new, empty memory for latents of `latent_spec`."""
        raise NotImplementedError

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `Memory`."""
        assert isinstance(self.make(), Memory)

    def test_is_empty_at_first(self) -> None:
        """Before the first write a view has no entries, an infinite age and sequence -1."""
        view = self.make().read(SECOND_NS)
        assert view.is_empty
        assert (view.newest_age_s, view.latent_sequence) == (float("inf"), -1)
        assert view.perceptual.shape[1:] == self._stream_shape("perceptual")

    def test_newest_latent_is_last_and_unchanged(self) -> None:
        """The last entry is exactly the newest latent, however many were written."""
        memory = self._filled(40)
        view = memory.read(40 * SECOND_NS)
        newest = self._latent(39)
        np.testing.assert_array_equal(view.perceptual[-1], newest.perceptual)
        np.testing.assert_array_equal(view.cognitive[-1], newest.cognitive)
        assert (view.latent_sequence, view.newest_age_s, view.now_s) == (39, 1.0, 40.0)

    def test_times_grow(self) -> None:
        """Entries are in order of time, in seconds of the episode, none outside it."""
        times = self._filled(40).read(40 * SECOND_NS).time_s
        assert np.all(np.diff(times) >= 0)
        assert times[0] >= 0
        assert times[-1] == 39.0  # The newest was written at 39 s.

    def test_does_not_grow_with_the_episode(self) -> None:
        """In the second hundred writes it never holds more than it did in the first."""
        memory, lengths = self._filled(0), list[int]()
        for second in range(200):
            memory.write(self._latent(second))
            lengths.append(memory.read(second * SECOND_NS).time_s.size)
        assert max(lengths[100:]) <= max(lengths[:100])

    def test_refuses_bad_latents_and_stays_unchanged(self) -> None:
        """Wrong width, nan, the past and another episode are refused without a trace."""
        memory = self._filled(3)
        before = memory.snapshot()
        wider = LatentSpec(
            perceptual_tokens=self.latent_spec.perceptual_tokens,
            cognitive_tokens=self.latent_spec.cognitive_tokens,
            width=self.latent_spec.width + 1,
        )
        bad = (
            example_latent(wider, stamp_ns=9 * SECOND_NS, episode_id="episode-1"),
            _with_nan(self._latent(9)),
            self._latent(1),
            example_latent(self.latent_spec, stamp_ns=9 * SECOND_NS, episode_id="other"),
        )
        for latent in bad:
            must_raise(ContractError, lambda latent=latent: memory.write(latent))
            assert memory.snapshot() == before

    def test_snapshot_brings_everything_back(self) -> None:
        """A new memory restored from a snapshot reads the same and goes on from there."""
        memory, copy = self._filled(20), self.make()
        copy.restore(memory.snapshot())
        for one in (memory, copy):
            one.write(self._latent(20))
        expected, got = memory.read(21 * SECOND_NS), copy.read(21 * SECOND_NS)
        np.testing.assert_array_equal(got.perceptual, expected.perceptual)
        np.testing.assert_array_equal(got.cognitive, expected.cognitive)
        np.testing.assert_array_equal(got.time_s, expected.time_s)
        assert (got.now_s, got.latent_sequence) == (expected.now_s, expected.latent_sequence)

    def test_refuses_rubbish_snapshots(self) -> None:
        """Bytes that are no snapshot are one of our errors, and change nothing."""
        memory = self._filled(3)
        before = memory.snapshot()
        for rubbish in (b"", b"rubbish", before[:-5], before[: len(before) // 2]):
            must_raise(TandemError, lambda rubbish=rubbish: memory.restore(rubbish))
            assert memory.snapshot() == before

    def test_reset_forgets(self) -> None:
        """After a reset it is empty, and seconds count from the new start."""
        memory = self._filled(3)
        memory.reset(episode_id="episode-2", start_ns=100 * SECOND_NS)
        view = memory.read(101 * SECOND_NS)
        assert view.is_empty
        assert view.now_s == 1.0

    def _filled(self, count: int) -> Memory:
        memory = self.make()
        memory.reset(episode_id="episode-1", start_ns=0)
        for second in range(count):
            memory.write(self._latent(second))
        return memory

    def _latent(self, second: int) -> Latent:
        return example_latent(
            self.latent_spec,
            stamp_ns=second * SECOND_NS,
            sequence=second,
            episode_id="episode-1",
        )

    def _stream_shape(self, stream: str) -> tuple[int, int]:
        return (self.latent_spec.streams()[stream], self.latent_spec.width)


def _with_nan(latent: Latent) -> Latent:
    cognitive = latent.cognitive.copy()
    cognitive[0, 0] = np.nan
    return Latent(
        perceptual=latent.perceptual,
        cognitive=cognitive,
        observation_stamp_ns=latent.observation_stamp_ns,
        ready_stamp_ns=latent.ready_stamp_ns,
        sequence=latent.sequence,
        episode_id=latent.episode_id,
    )
