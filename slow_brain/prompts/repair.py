"""Asks for a reply once more: in a talk about what was wrong, or the same with other luck."""

from slow_brain.engines.engine import Turn
from slow_brain.prompts.prompt_file import plain_line
from slow_brain.prompts.reply import NotAPlanError

# Its own probabilities: what it is sure of stays, where it wavered it may say something else.
REPAIR_TEMPERATURE = 1.0
_MOST_QUOTED = 600


def repair_turns(turns: tuple[Turn, ...], refusal: NotAPlanError) -> tuple[Turn, ...]:
    """Return the chat as it was, the reply, and what was wrong with it.

    The reply is quoted as one line of plain words, so that nothing in it reads as part of the
    chat's own marks.
    """
    quoted = plain_line(refusal.text)[:_MOST_QUOTED] or "(nothing)"
    asked = (
        f"That is no plan: {plain_line(refusal.reason)}. Answer once more, in the form asked for "
        "and with nothing else."
    )
    return (*turns, Turn("assistant", (quoted,)), Turn("user", (asked,)))
