"""What every chunk stitcher keeps."""

import numpy as np

from bridge.messages import ActionChunk, Hold, HoldReason, PickedAction
from bridge.protocols import ChunkStitcher
from bridge.specs import PolicySpec
from bridge.testing.examples import EXAMPLE_POLICY, SECOND_NS, example_chunk


class ChunkStitcherContract:
    """For a `ChunkStitcher`. Override `make`; it is fed chunks of `policy_spec`."""

    policy_spec: PolicySpec = EXAMPLE_POLICY

    def make(self) -> ChunkStitcher:
        """A new stitcher, without a chunk."""
        raise NotImplementedError

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `ChunkStitcher`."""
        assert isinstance(self.make(), ChunkStitcher)

    def test_holds_without_a_chunk(self) -> None:
        """Before the first chunk, and after a reset, the answer is to hold for want of one."""
        stitcher = self.make()
        assert _reason(stitcher.pick(0)) is HoldReason.NO_CHUNK
        stitcher.push(self._chunk(), 0)
        stitcher.reset()
        assert _reason(stitcher.pick(0)) is HoldReason.NO_CHUNK

    def test_one_chunk_is_played_row_by_row(self) -> None:
        """A lone chunk gives its own rows, each at its time, none twice and none left out."""
        stitcher, chunk = self.make(), self._chunk()
        stitcher.push(chunk, 0)
        for row in range(self.policy_spec.horizon):
            picked = stitcher.pick(self._time_ns(row))
            assert isinstance(picked, PickedAction)
            assert (picked.chunk_sequence, picked.chunk_index) == (chunk.sequence, row)
            np.testing.assert_allclose(picked.action, chunk.actions[row], rtol=1e-6)

    def test_never_plays_past_the_horizon(self) -> None:
        """After the last row the answer is to hold, because the chunk has expired."""
        stitcher = self.make()
        stitcher.push(self._chunk(), 0)
        stitcher.pick(0)
        late = stitcher.pick(self._time_ns(self.policy_spec.horizon + 1))
        assert _reason(late) is HoldReason.CHUNK_EXPIRED

    def test_overlapping_chunks_stay_within_the_bounds(self) -> None:
        """Stitching valid chunks gives valid actions, of at most one per tick."""
        stitcher = self.make()
        for row in range(3 * self.policy_spec.horizon):
            now_ns = self._time_ns(row)
            if row % 2 == 0:
                stitcher.push(self._chunk(now_ns, sequence=row), now_ns)
            picked = stitcher.pick(now_ns)
            assert isinstance(picked, PickedAction)
            self.policy_spec.action.validate(picked.action)

    def _chunk(self, start_ns: int = 0, sequence: int = 0) -> ActionChunk:
        return example_chunk(self.policy_spec, start_stamp_ns=start_ns, sequence=sequence)

    def _time_ns(self, row: int) -> int:
        return round(row * self.policy_spec.step_s * SECOND_NS)


def _reason(picked: PickedAction | Hold) -> HoldReason:
    assert isinstance(picked, Hold), f"expected to hold, got row {picked.chunk_index}"
    return picked.reason
