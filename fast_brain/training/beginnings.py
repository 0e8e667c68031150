"""Where the arm begins to act, and where it has waited for that moment: few frames, and decisive.

An arm that waits for lights waits in one place for seconds, and begins from there in a moment. Of
the frames in which it is in that place nearly all say wait, so a policy that learns them as they
are never begins. The moments of beginning are therefore dealt out as often as the waiting.
"""

import numpy as np

from fast_brain.training.frames import Frames

# So many rows of 50 ms belong to the beginning: by then the arm is on its way.
BEGINNING_ROWS = 4


def first_acts(frames: Frames) -> np.ndarray:
    """Return the rows in which the arm begins to act, one of each segment in which it does."""
    acting = np.flatnonzero(~frames.is_hovering)
    segment = segment_keys(frames)[acting]
    return acting[np.append(True, np.diff(segment) != 0)] if len(acting) else acting


def segment_keys(frames: Frames) -> np.ndarray:
    """Return a number for each row ``[T]`` that no two segments share, growing."""
    starts = np.diff(frames.episode, prepend=-1).astype(bool)
    return np.cumsum(starts | np.diff(frames.segment, prepend=-1).astype(bool))


def beginnings(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows wait for a first act, and which begin it after such a wait ``[T]``."""
    keys = segment_keys(frames)
    first_act = np.full(keys[-1] + 1, len(keys))
    acts = first_acts(frames)
    first_act[keys[acts]] = acts
    row = np.arange(len(keys))
    waits = row < first_act[keys]
    starts = np.append(True, np.diff(keys) != 0)
    has_waited = np.zeros(keys[-1] + 1, bool)
    has_waited[keys[starts]] = waits[starts] & (first_act[keys[starts]] < len(keys))
    begins = (row >= first_act[keys]) & (row < first_act[keys] + BEGINNING_ROWS)
    return waits & has_waited[keys], begins & has_waited[keys]
