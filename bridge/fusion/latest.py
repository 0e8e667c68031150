"""The newest latent and nothing else: the baseline that gated fusion has to beat."""

from bridge.arrays import FloatArray
from bridge.specs import check_finite


class LatestFusion:
    """Returns the current latent, whatever its age and whatever is remembered."""

    def fuse(
        self,
        current: FloatArray,
        remembered: FloatArray,  # noqa: ARG002  # Part of the protocol.
        current_age_s: float,  # noqa: ARG002  # Part of the protocol.
        remembered_age_s: FloatArray,  # noqa: ARG002  # Part of the protocol.
    ) -> FloatArray:
        """The gate is always open: g = 1.

        Raises:
            ContractError: The current latent is not finite.
        """
        check_finite("fusion.current", current)
        return current
