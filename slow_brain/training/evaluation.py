"""Asks a trained planner exercises it never saw, decoding every answer, and counts."""

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from slow_brain.decoding import HiddenStates, TextDecoder

_MOST_TOKENS = 160


@dataclass(kw_only=True)
class PlannerScore:
    """Counts over decoded answers; ``done`` figures are about "is the current subtask done?"."""

    asked: int = 0
    subtask_right: int = 0
    whole_right: int = 0
    malformed: int = 0
    done_true_positive: int = 0
    done_false_positive: int = 0
    done_false_negative: int = 0

    @property
    def subtask_accuracy(self) -> float:
        """Share of answers that name the expert's subtask."""
        return self.subtask_right / max(self.asked, 1)

    @property
    def done_precision(self) -> float:
        """Of the answers that say done, how many are right."""
        said = self.done_true_positive + self.done_false_positive
        return self.done_true_positive / max(said, 1)

    @property
    def done_recall(self) -> float:
        """Of the finished subtasks, how many were noticed."""
        true = self.done_true_positive + self.done_false_negative
        return self.done_true_positive / max(true, 1)

    def add(self, answer: str, expected: str) -> None:
        """Count one decoded answer."""
        self.asked += 1
        got, wanted = _last_fields(answer), _last_fields(expected)
        self.whole_right += answer.strip() == expected.strip()
        self.malformed += got is None
        if got is None or wanted is None:
            got = ("", "")
            wanted = _last_fields(expected) or ("", "")
        self.subtask_right += got[1] == wanted[1]
        self.done_true_positive += got[0] == "yes" and wanted[0] == "yes"
        self.done_false_positive += got[0] == "yes" and wanted[0] == "no"
        self.done_false_negative += got[0] != "yes" and wanted[0] == "yes"

    def figures(self) -> dict[str, float]:
        """Return counts and rates for a report."""
        rates = {
            "subtask_accuracy": self.subtask_accuracy,
            "done_precision": self.done_precision,
            "done_recall": self.done_recall,
        }
        return asdict(self) | rates


def _last_fields(text: str) -> tuple[str, str] | None:
    """Return the values of DONE and SUBTASK, or None if the text has no such end."""
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
    if "DONE" not in fields or "SUBTASK" not in fields:
        return None
    return fields["DONE"].strip(), fields["SUBTASK"].strip()


def score_planner(
    decoder: TextDecoder,
    examples: Path,
    count: int,
    *,
    own_story_only: bool,
    on_progress: Callable[[int], None],
) -> PlannerScore:
    """Ask ``count`` exercises spread evenly over the file.

    Args:
        decoder: The planner under test.
        examples: Exercises from episodes and phrasings that training never saw.
        count: How many to ask.
        own_story_only: Ask what a run would ask there, not the questions made up about the picture.
        on_progress: Told how many have been asked.
    """
    rows = pq.read_table(examples)
    score = PlannerScore()
    for number, place in enumerate(np.linspace(0, rows.num_rows - 1, count).astype(int)):
        row = rows.slice(int(place), 1).to_pylist()[0]
        question = row["questions"][0 if own_story_only else number % len(row["questions"])]
        with Image.open(io.BytesIO(row["image"])) as image:
            pixels = np.asarray(image)
        pieces = decoder.decode(question["prompt"], pixels, _MOST_TOKENS)
        answer = "".join("" if isinstance(piece, HiddenStates) else piece.text for piece in pieces)
        score.add(answer, question["answer"])
        on_progress(number)
    return score
