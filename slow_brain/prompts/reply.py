"""What every form of reply has in common: it is read while it is written, and checked at its end.

A form is found by name, like every plug-in; whatever it reads, these rules have the last word over
the steps.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bridge.errors import ContractError
from bridge.messages import Thought
from bridge.protocols import Clock
from slow_brain.prompts.finished_summary import NOTHING

LONGEST_TEXT = 4000
MOST_STEPS = 30
LONGEST_STEP = 200


class NotAPlanError(ContractError):
    """Raised when a reply is no plan; `text` is all of it, for the trace and for the repair."""

    def __init__(self, *, expected: object, got: object, text: str) -> None:
        self.text = text
        super().__init__(leaf="thought", expected=expected, got=f"{got} in {text!r}")
        # The message is cut to a readable length; whoever wants to know why gets all of it.
        self.add_note(text)

    @property
    def reason(self) -> str:
        """What was wrong, without the text."""
        return f"expected {self.expected}, got {self.got}"


class Decision(Protocol):
    """What a reply comes down to: the steps that are left, none when the goal is met."""

    @property
    def plan(self) -> tuple[str, ...]:
        """The steps in order."""
        ...

    @property
    def is_current_done(self) -> bool:
        """Whether the subtask under way is over."""
        ...


@dataclass(frozen=True, kw_only=True)
class ReplyRules:
    """What a reply is read with.

    `skills` are the only steps that may be named, empty for any. `asked` is the text that the model
    was given: its steps are written in scripts that occur there, or nobody would understand them.
    """

    plan_id: str
    clock: Clock
    skills: tuple[str, ...] = ()
    asked: str = ""


class ReplyReader(Protocol):
    """Reads one reply in pieces, however they are cut."""

    def feed(self, piece: str) -> list[Thought]:
        """Return the thoughts that `piece` completes.

        Raises:
            NotAPlanError: The text grows beyond any plan, as when a model repeats itself.
        """
        ...

    def close(self) -> list[Thought]:
        """Return the thoughts that only the end of the text completes."""
        ...

    def finish(self) -> Decision:
        """Return the checked whole.

        Raises:
            NotAPlanError: The text is not what was asked for, or names what nobody can do.
        """
        ...


class ReplyForm(Protocol):
    """A form of reply, such as JSON. It is made without arguments."""

    def schema(self, skills: tuple[str, ...]) -> Mapping[str, Any] | None:
        """The JSON schema of a reply, for engines that can enforce it; None if it is not JSON."""
        ...

    def reader(self, rules: ReplyRules) -> ReplyReader:
        """A reader for one reply."""
        ...


@runtime_checkable
class MendingForm(ReplyForm, Protocol):
    """A form that puts an answer right while it is written, for engines that can do so."""

    def mend(self, text: str) -> str:
        """Return an answer as far as it is written, with its last words as they should be."""
        ...


def check_length(text: str) -> None:
    """Refuse a text longer than any plan.

    Raises:
        NotAPlanError: Says how long it has become.
    """
    if len(text) > LONGEST_TEXT:
        raise NotAPlanError(
            expected=f"at most {LONGEST_TEXT} characters", got=f"{len(text)} and more", text=text
        )


def checked_steps(steps: tuple[str, ...], rules: ReplyRules, text: str) -> tuple[str, ...]:
    """Return the steps in the robot's own words.

    Raises:
        NotAPlanError: There are too many, one is too long, is no skill of the robot's, or is
            written in another script than everything that was asked.
    """
    if len(steps) > MOST_STEPS:
        raise NotAPlanError(expected=f"at most {MOST_STEPS} steps", got=len(steps), text=text)
    long = [step for step in steps if len(step) > LONGEST_STEP]
    if long:
        limit = f"steps of at most {LONGEST_STEP} characters"
        raise NotAPlanError(expected=limit, got=len(long[0]), text=text)
    if any(plain_step(step) == NOTHING for step in steps):
        raise NotAPlanError(expected="steps", got=f"{NOTHING!r} among them", text=text)
    if rules.skills:
        return _as_skills(steps, rules.skills, text)
    _check_scripts(steps, rules.asked, text)
    return steps


def _as_skills(steps: tuple[str, ...], skills: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Find each step among the skills; capitals and a full stop at the end make no difference."""
    known = {plain_step(skill): skill for skill in skills}
    unknown = [step for step in steps if plain_step(step) not in known]
    if unknown:
        raise NotAPlanError(expected=f"subtasks out of {skills}", got=", ".join(unknown), text=text)
    return tuple(known[plain_step(step)] for step in steps)


def plain_step(step: str) -> str:
    """Return a step as it is compared: capitals and a full stop at its end make no difference."""
    return step.strip().rstrip(".").casefold()


def _check_scripts(steps: tuple[str, ...], asked: str, text: str) -> None:
    foreign = _scripts(" ".join(steps)) - _scripts(asked) if asked else set[str]()
    if foreign:
        raise NotAPlanError(
            expected=f"steps in {', '.join(sorted(_scripts(asked)))} letters",
            got=f"{', '.join(sorted(foreign))} ones",
            text=text,
        )


def _scripts(text: str) -> set[str]:
    """Return the writing systems of the letters, as Unicode's names begin: LATIN, CYRILLIC, CJK."""
    return {unicodedata.name(letter, "unnamed").split()[0] for letter in text if letter.isalpha()}
