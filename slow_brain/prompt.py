"""What the shipped planner reads: goal, what is finished, what is under way, one picture.

The goal comes first, so that its tokens are the same from plan to plan and caches can keep them.
"""

from collections.abc import Sequence

IMAGE_TOKEN = "<image>"  # noqa: S105 - a placeholder in text, not a secret.
# The declared token whose last-layer hidden state is the cognitive latent; it ends every answer.
ACT_TOKEN = "<act>"  # noqa: S105 - as above.
NOTHING = "nothing"
# Older finished subtasks fall off, so that the prompt of a long run stays short.
MOST_FINISHED = 6


def planner_prompt(goal: str, finished: Sequence[str], current: str | None) -> str:
    """Return the prompt text; ``IMAGE_TOKEN`` stands where the picture goes."""
    done = "; ".join(finished[-MOST_FINISHED:]) or NOTHING
    asked = f"goal: {goal.strip().lower()}\nfinished: {done}\n"
    return f"{asked}current: {current or NOTHING}\n{IMAGE_TOKEN}\n"
