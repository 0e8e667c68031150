"""What was done so far, in a few words however long the run: its newest part, and a count."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field

NOTHING = "nothing"


class FinishedLimits(BaseModel):
    """How much of what was done goes into a prompt.

    At most the newest `most_finished` subtasks in at most `finished_tokens` tokens; older ones fall
    off, or are counted if `count_older`. With `number_finished` each has its number in the goal.
    """

    model_config = ConfigDict(frozen=True)

    most_finished: int = Field(default=20, ge=0)
    finished_tokens: int = Field(default=100, ge=1)
    count_older: bool = False
    number_finished: bool = False


def finished_summary(
    finished: Sequence[str],
    limits: FinishedLimits,
    count_tokens: Callable[[str], int],
    *,
    count: int = 0,
) -> str:
    """Return the newest subtasks, oldest first, within the limits; `NOTHING` if there are none.

    Args:
        finished: The newest finished subtasks, oldest first.
        limits: How much may be said.
        count: How many were finished in all, if more than those.
        count_tokens: How long a text is for the model. A text that says nothing but `NOTHING` or
            how many subtasks there were is never cut.
    """
    if limits.number_finished:
        first = max(count - len(finished), 0) + 1
        finished = [f"{number} {each}" for number, each in enumerate(finished, start=first)]
    newest = min(limits.most_finished, len(finished))
    unlisted = max(count - len(finished), 0) if limits.count_older else 0
    for shown in range(newest, -1, -1):
        summary = _summary(finished, shown, unlisted, count_older=limits.count_older)
        if count_tokens(summary) <= limits.finished_tokens:
            return summary
    return _summary(finished, 0, unlisted, count_older=limits.count_older)


def _summary(finished: Sequence[str], shown: int, unlisted: int, *, count_older: bool) -> str:
    older = len(finished) - shown
    said = list(finished[older:])
    if older + unlisted and count_older:
        said.insert(0, f"{older + unlisted} earlier")
    return "; ".join(said) or NOTHING
