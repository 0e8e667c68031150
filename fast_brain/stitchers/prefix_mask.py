"""How strongly each row of a new chunk is bound to the one before it.

Source: RTC, "Real-Time Execution of Action Chunking Flow Policies" (arXiv 2506.07339), eq. 5 and
its reference implementation, `get_prefix_weights`.
"""

from typing import Literal, get_args

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ContractError

MaskKind = Literal["exp", "linear", "ones", "zeros"]


def prefix_mask(start: int, end: int, total: int, kind: MaskKind = "exp") -> FloatArray:
    """Return the weights [total] in [0, 1].

    Rows before `start` will have been carried out before the chunk arrives: they weigh 1. Rows from
    `end` on have no predecessor: they weigh 0. Between them the weight falls:

    - "linear": `w = clip((start - 1 - i) / (end - start + 1) + 1, 0, 1)`;
    - "exp": `w · (e^w - 1) / (e - 1)` of the linear one, as published;
    - "ones": it does not fall;
    - "zeros": it is 0, so that only rows before `start` count.

    Args:
        start: d, how many rows are taken already; more than `end` counts as `end`.
        end: H - s, how many rows have a predecessor.
        total: H.
        kind: How the weight falls.
    """
    start = min(start, end)
    row = np.arange(total)
    if kind in ("linear", "exp"):
        weight = np.clip((start - 1 - row) / (end - start + 1) + 1, 0.0, 1.0)
        if kind == "exp":
            weight = weight * np.expm1(weight) / np.expm1(1.0)
    else:
        weight = (row < start).astype(np.float64) if kind == "zeros" else np.ones(total)
    return np.where(row < end, weight, 0.0).astype(np.float32)


def check_mask(kind: MaskKind) -> None:
    """Refuse an unknown kind of mask.

    Raises:
        ContractError: Says which there are.
    """
    known = list(get_args(MaskKind))
    if kind not in known:
        raise ContractError(leaf="mask", expected=f"one of {known}", got=kind)
