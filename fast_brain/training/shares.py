"""How often each picture is dealt out in training: the decisive and the rare more often.

As they come, most frames are of an arm that is on its way or waits; any policy gets those right.
What it fails at are the few frames in which something is decided: to begin, to press the same
button once more, to do what only memory tells, to do what was seldom shown.
"""

import numpy as np

from fast_brain.training.beginnings import BEGINNING_ROWS, beginnings, first_acts
from fast_brain.training.frames import Frames

_BEGIN_TIMES, _REMEMBERED_TIMES, _MOST_TIMES_RARE = 4, 2, 4


def remembered_rows(frames: Frames) -> np.ndarray:
    """Return the rows ``[T]`` whose skill the subtask's words leave open."""
    moments = zip(frames.skill, frames.subtask, strict=True)
    return np.array([skill not in {"", words.partition(",")[0]} for skill, words in moments], bool)


def times_dealt(frames: Frames, pictures: np.ndarray) -> np.ndarray:
    """Return how often each of ``pictures [K]`` is dealt out in a round ``[K]``, at least once."""
    rows = frames.row[pictures]
    times = np.ones(len(rows), np.int64)
    times[remembered_rows(frames)[rows]] = _REMEMBERED_TIMES
    times[_begins(frames)[rows]] = _BEGIN_TIMES
    times = np.maximum(times, _times_of_rare(frames, rows))
    waits, after_waits = (chosen[rows] for chosen in beginnings(frames))
    # Where the arm has waited for its moment, it begins as often as it waits.
    times[after_waits] = max(int(waits.sum()) // max(int(after_waits.sum()), 1), _BEGIN_TIMES)
    return times


def _begins(frames: Frames) -> np.ndarray:
    begins = np.zeros(len(frames.frame), bool)
    rows = first_acts(frames)[:, None] + np.arange(BEGINNING_ROWS)
    begins[rows[rows < len(begins)]] = True
    return begins & ~frames.is_hovering


def _times_of_rare(frames: Frames, rows: np.ndarray) -> np.ndarray:
    """Return so much more for skills that were seldom shown, up to a limit ``[K]``."""
    skills, number = np.unique(np.array(frames.skill)[rows], return_inverse=True)
    counts = np.bincount(number, minlength=len(skills))
    times = np.clip(np.median(counts) // counts, 1, _MOST_TIMES_RARE).astype(np.int64)
    return np.where(skills == "", 1, times)[number]
