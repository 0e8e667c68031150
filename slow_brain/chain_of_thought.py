"""The planner's text, field by field: read while it is being written, checked when it ends.

The fields and their order are those of Embodied Chain-of-Thought (ECoT, arXiv 2407.08693), up to the
subtask; DONE says whether the subtask under way is over.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from bridge.errors import ContractError
from bridge.messages import Thought
from bridge.protocols import Clock
from slow_brain.prompt import NOTHING

FIELDS = ("TASK", "PLAN", "VISIBLE OBJECTS", "SUBTASK REASONING", "DONE", "SUBTASK")
LONGEST_TEXT = 4000
_SEPARATOR = ": "


class ParsedThought(BaseModel):
    """A whole chain of thought; `subtask` is None when the goal is met."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    plan: tuple[str, ...]
    visible_objects: str
    subtask_reasoning: str
    is_current_done: bool
    subtask: str | None

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
            ContractError: A field is missing, doubled or out of order, or names what nobody can do.
        """
        values = self._values()
        plan = _steps(values["PLAN"])
        subtask = None if values["SUBTASK"] == NOTHING else values["SUBTASK"]
        self._check_done(values["DONE"])
        self._check_steps(plan, subtask)
        return ParsedThought(
            task=values["TASK"],
            plan=plan,
            visible_objects=values["VISIBLE OBJECTS"],
            subtask_reasoning=values["SUBTASK REASONING"],
            is_current_done=values["DONE"] == "yes",
            subtask=subtask,
        )

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

    def _check_done(self, verdict: str) -> None:
        if verdict not in ("yes", "no"):
            raise self._refusal("DONE: yes or no", verdict)

    def _check_steps(self, plan: tuple[str, ...], subtask: str | None) -> None:
        if (plan[0] if plan else None) != subtask:
            raise self._refusal("a plan that begins with the subtask", f"{plan} and {subtask!r}")
        unknown = [step for step in plan if self._known_skills and step not in self._known_skills]
        if unknown:
            raise self._refusal(f"subtasks out of {self._known_skills}", ", ".join(unknown))

    def _refusal(self, expected: str, got: str) -> ContractError:
        return ContractError(
            leaf="thought", expected=expected, got=f"{got} in {self._text[:600]!r}"
        )


def _steps(text: str) -> tuple[str, ...]:
    if text == NOTHING:
        return ()
    return tuple(step.strip() for step in text.split(";") if step.strip())
