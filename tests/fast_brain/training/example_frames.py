"""Frames without pictures, of which only the times matter."""

from collections.abc import Sequence

import numpy as np

from fast_brain.training.frames import Frames


def frames_of(*episodes: Sequence[str]) -> Frames:
    """Each episode is a list of segments, each letter of a segment a row: "w" waits, "a" acts."""
    segments = [part for episode in episodes for part in episode]
    letters = "".join(segments)
    count = len(letters)
    lengths = [len("".join(episode)) for episode in episodes]
    numbers = [number for episode in episodes for number in range(len(episode))]
    return Frames(
        images={},
        row=np.arange(count),
        state=np.zeros((count, 11), np.float32),
        action=np.zeros((count, 5), np.float32),
        segment=np.repeat(numbers, [len(part) for part in segments]),
        is_hovering=np.array([letter == "w" for letter in letters]),
        episode=np.repeat(np.arange(len(episodes)), lengths),
        frame=np.concatenate([np.arange(length) for length in lengths]),
        subtask=["press"] * count,
        skill=["" if letter == "w" else "press" for letter in letters],
        light=np.zeros(count, np.int8),
        goal_text=dict.fromkeys(range(len(episodes)), ""),
    )
