"""What the shipped planner reads: goal, what is finished, what is under way, one picture.

The goal comes first, so that its tokens are the same from plan to plan and caches can keep them.
The text itself is `prompts/tandem.md`.
"""

from collections.abc import Sequence
from functools import cache

from slow_brain.chain_of_thought import FIELDS, LOOK_FIRST
from slow_brain.prompts.finished_summary import NOTHING
from slow_brain.prompts.prompt_file import Prompt, PromptValues, load_prompt

__all__ = [
    "ACT_TOKEN",
    "IMAGE_TOKEN",
    "MEMORY_PROMPT",
    "NOTHING",
    "SHIPPED_PROMPT",
    "answer_fields",
    "planner_prompt",
]

IMAGE_TOKEN = "<image>"  # noqa: S105 - a placeholder in text, not a secret.
# The declared token whose last-layer hidden state is the cognitive latent; it ends every answer.
ACT_TOKEN = "<act>"  # noqa: S105 - as above.
SHIPPED_PROMPT = "tandem"
# For memory tasks: it tells more of what is finished, and has the model look before it plans.
MEMORY_PROMPT = "memory"


def planner_prompt(
    goal: str, finished: Sequence[str], current: str | None, prompt: str = SHIPPED_PROMPT
) -> str:
    """Return the text of a shipped prompt; ``IMAGE_TOKEN`` stands where the picture goes."""
    values = PromptValues(goal=goal, finished=finished, current=current)
    (turn,) = _read(prompt).turns(values)
    return f"{turn.text}{IMAGE_TOKEN}\n"


def answer_fields(prompt: str) -> tuple[str, ...]:
    """The order in which a shipped prompt has its answer's fields written."""
    return LOOK_FIRST if _read(prompt).settings.reply == "look_first" else FIELDS


@cache
def _read(prompt: str) -> Prompt:
    return load_prompt(prompt)
