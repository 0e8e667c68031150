"""What every fusion keeps."""

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.protocols import Fusion
from bridge.testing.checks import must_raise


class FusionContract:
    """For a `Fusion`. Override `make`, and `tokens` and `width` if it is made for others."""

    tokens = 4
    width = 8

    def make(self) -> Fusion:
        """A new fusion."""
        raise NotImplementedError

    def test_meets_the_protocol(self) -> None:
        """It has the verb of `Fusion`."""
        assert isinstance(self.make(), Fusion)

    def test_nothing_remembered_leaves_the_current_latent(self) -> None:
        """With an empty memory the result is the current latent."""
        current, _, _ = self._inputs(0)
        nothing = np.zeros((0, self.tokens, self.width), np.float32)
        fused = self.make().fuse(current, nothing, 0.1, np.zeros(0, np.float32))
        np.testing.assert_allclose(fused, current, rtol=1e-6)

    def test_blend_is_convex(self) -> None:
        """Every element stays between the smallest and the largest of all inputs."""
        current, remembered, ages = self._inputs(5)
        fused = self.make().fuse(current, remembered, 0.1, ages)
        everything = np.concatenate([current[None], remembered])
        assert fused.shape == current.shape
        assert fused.min() >= everything.min() - 1e-5
        assert fused.max() <= everything.max() + 1e-5

    def test_refuses_what_is_not_finite(self) -> None:
        """A nan in the current latent is a `ContractError`."""
        current, remembered, ages = self._inputs(2)
        current[0, 0] = np.nan
        must_raise(ContractError, lambda: self.make().fuse(current, remembered, 0.1, ages))

    def _inputs(self, length: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        random = np.random.default_rng(length)
        return (
            random.standard_normal((self.tokens, self.width), dtype=np.float32),
            random.standard_normal((length, self.tokens, self.width), dtype=np.float32),
            np.arange(length, 0, -1, dtype=np.float32),
        )
