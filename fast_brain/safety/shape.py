"""Filter: an action has one number for each dimension, and they are floating-point numbers."""

from bridge.arrays import AnyArray


def trouble_with_shape(action: AnyArray, width: int) -> str:
    """What is wrong with the form of an action of `width` dimensions; empty when nothing is."""
    if action.shape != (width,):
        return f"action of shape {list(action.shape)}, expected [{width}]"
    if action.dtype.kind != "f":
        return f"action of type {action.dtype}, expected floating-point numbers"
    return ""
