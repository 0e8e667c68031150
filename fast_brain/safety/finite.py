"""Filter: nan and infinity never become an action, nor a bound, nor a place to start from."""

import numpy as np

from bridge.arrays import AnyArray


def trouble_with_values(action: AnyArray) -> str:
    """Say that a value is not finite; empty when all are."""
    if np.isfinite(action).all():
        return ""
    bad = int(action.size - np.isfinite(action).sum())
    return f"action with {bad} of {action.size} values not finite"
