"""The planner's text, field by field: read while it is being written, checked when it ends.

The fields and their order are those of Embodied Chain-of-Thought (ECoT, arXiv 2407.08693), up to
the subtask; DONE says whether the subtask under way is over.
"""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from bridge.errors import ContractError
from bridge.messages import Thought
from bridge.protocols import Clock
from slow_brain.prompt import NOTHING

FIELDS = ("TASK", "PLAN", "VISIBLE OBJECTS", "SUBTASK REASONING", "DONE", "SUBTASK")
LONGEST_TEXT = 4000
_SEPARATOR = ": "
_YES_NO = {"yes": True, "no": False}


def _one_line(text: str) -> str:
    if not text or text != text.strip() or "\n" in text:
        raise ValueError("must be one line that says something, without space around it")
    return text


def _one_step(text: str) -> str:
    if ";" in text or text == NOTHING:
        raise ValueError(f"must be one step: not {NOTHING!r}, and without ';'")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Step = Annotated[Line, AfterValidator(_one_step)]


class ParsedThought(BaseModel):
    """A whole chain of thought: the plan begins with `subtask`, None when the goal is met.

    Whatever this class lets pass can be written and read back unchanged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Line
    plan: tuple[Step, ...]
    visible_objects: Line
    subtask_reasoning: Line
    is_current_done: bool
    subtask: Step | None

    @model_validator(mode="after")
    def _check_first(self) -> Self:
        first = self.plan[0] if self.plan else None
        if first != self.subtask:
            raise ValueError(f"the plan begins with {first!r}, but the subtask is {self.subtask!r}")
        return self

    def text(self) -> str:
        """Return it as a planner writes it, one field a line."""
        values = (
            self.task,
            "; ".join(self.plan) or NOTHING,
            self.visible_objects,
            self.subtask_reasoning,
            "yes" if self.is_current_done else "no",
            self.subtask or NOTHING,
        )
        return "\n".join(
            f"{name}{_SEPARATOR}{value}" for name, value in zip(FIELDS, values, strict=True)
        )


class ThoughtParser:
    """Reads one answer in pieces, however they are cut.

    Args:
        plan_id: Carried by every thought.
        clock: Stamps the thoughts.
        known_skills: Subtasks that may be named; empty means any.
    """

    def __init__(self, *, plan_id: str, clock: Clock, known_skills: Sequence[str] = ()) -> None:
        self._plan_id = plan_id
        self._clock = clock
        self._known_skills = tuple(known_skills)
        self._text = ""
        self._told_lines = 0

    def feed(self, piece: str) -> list[Thought]:
        """Return the thoughts that `piece` completes.

        Raises:
            ContractError: The text grows beyond any plan, as when a model repeats itself.
        """
        self._text += piece
        if len(self._text) > LONGEST_TEXT:
            raise self._refusal(f"at most {LONGEST_TEXT} characters", f"{len(self._text)} and more")
        return self._tell(self._text.split("\n")[:-1])

    def close(self) -> list[Thought]:
        """Return the thoughts of the last line, which no newline ends."""
        return self._tell(self._text.rstrip("\n").split("\n"))

    def finish(self) -> ParsedThought:
        """Return the checked whole.

        Raises:
            ContractError: A field is missing, doubled, empty or out of order, contradicts another,
                or names what nobody can do. The whole text is in the error's notes.
        """
        values = self._values()
        if values["DONE"] not in _YES_NO:
            raise self._refusal("DONE: yes or no", values["DONE"])
        try:
            parsed = ParsedThought(
                task=values["TASK"],
                plan=_steps(values["PLAN"]),
                visible_objects=values["VISIBLE OBJECTS"],
                subtask_reasoning=values["SUBTASK REASONING"],
                is_current_done=_YES_NO[values["DONE"]],
                subtask=None if values["SUBTASK"] == NOTHING else values["SUBTASK"],
            )
        except ValidationError as error:
            raise self._refusal("a thought", error.errors()[0]["msg"]) from error
        self._check_skills(parsed.plan)
        return parsed

    def _tell(self, lines: list[str]) -> list[Thought]:
        new, self._told_lines = lines[self._told_lines :], max(self._told_lines, len(lines))
        thoughts: list[Thought] = []
        for line in new:
            name, separator, value = line.partition(_SEPARATOR)
            if separator and name in FIELDS:
                thoughts.append(
                    Thought(
                        field=name,
                        text=value.strip(),
                        plan_id=self._plan_id,
                        stamp_ns=self._clock.now_ns(),
                    )
                )
        return thoughts

    def _values(self) -> dict[str, str]:
        lines = [line for line in self._text.strip().split("\n") if line.strip()]
        parts = [line.partition(_SEPARATOR) for line in lines]
        names = tuple(name for name, _, _ in parts)
        if names != FIELDS:
            raise self._refusal(f"the fields {', '.join(FIELDS)}", ", ".join(names) or "nothing")
        values = {name: value.strip() for name, _, value in parts}
        empty = [name for name, value in values.items() if not value]
        if empty:
            raise self._refusal("a value in every field", f"nothing in {', '.join(empty)}")
        return values

    def _check_skills(self, plan: tuple[str, ...]) -> None:
        unknown = [step for step in plan if self._known_skills and step not in self._known_skills]
        if unknown:
            raise self._refusal(f"subtasks out of {self._known_skills}", ", ".join(unknown))

    def _refusal(self, expected: str, got: str) -> ContractError:
        error = ContractError(leaf="thought", expected=expected, got=f"{got} in {self._text!r}")
        # The message is cut to a readable length; whoever wants to know why gets all of it.
        error.add_note(self._text)
        return error


def _steps(text: str) -> tuple[str, ...]:
    if text == NOTHING:
        return ()
    return tuple(step.strip() for step in text.split(";") if step.strip())
