"""A step that an answer names by its number is the one that the same answer gave that number.

A small model counts its steps rightly and then copies another one than the number says, one that
fits the picture (*4 close the drawer* in its task, and later "next 4 close the window"). The number
is what it is sure of, so the words follow from it.
"""

import re

_NEXT = re.compile(r"\bnext (?P<number>\d+) (?P<words>[^\n]+)\Z")


def mend_named_step(text: str) -> str:
    """Return an answer, as far as it is written, with its last words as its task has them.

    The task is its first line, its steps numbered: `TASK: 1 open the drawer, 2 press the first
    light`. Words at the end that begin as that step does, or go on after it, are left alone; so is
    a number that the task does not have.

    Args:
        text: An answer whose last words may be "next 2 press the".
    """
    named = _NEXT.search(text)
    if named is None:
        return text
    step = _numbered_steps(text.partition("\n")[0]).get(named["number"], "")
    words = named["words"]
    if not step or step.startswith(words) or words.startswith(step):
        return text
    return text[: named.start("words")] + step


def _numbered_steps(task: str) -> dict[str, str]:
    parts = (part.split(maxsplit=1) for part in task.partition(": ")[2].split(", "))
    return {part[0]: part[1].strip() for part in parts if len(part) > 1 and part[0].isdecimal()}
