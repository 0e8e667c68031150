import numpy as np

from bridge.fusion.latest import LatestFusion
from bridge.testing import FusionContract


class TestLatestFusion(FusionContract):
    def make(self) -> LatestFusion:
        """The baseline."""
        return LatestFusion()

    def test_memory_and_age_make_no_difference(self) -> None:
        """It returns the current latent itself, however old."""
        current = np.ones((4, 8), np.float32)
        remembered = np.zeros((2, 4, 8), np.float32)
        ages = np.array([9.0, 5.0], np.float32)
        assert LatestFusion().fuse(current, remembered, 100.0, ages) is current
